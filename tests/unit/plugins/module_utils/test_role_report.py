# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from ansible_collections.hybrid.ecs_anywhere.plugins.filter.role_report import FilterModule

report = FilterModule().filters()["role_report"]
FINDING = {"id": "x", "severity": "high", "message": "bad", "evidence": ["a"], "repair": "do"}
ROLE = {
    "role_name": "r",
    "managed_instance_ids": ["mi-1", "mi-2"],
    "findings": [FINDING],
    "summary": {
        "allowed_actions": 44,
        "on_any_resource": 43,
        "least_privilege": {"allowed_actions": 13, "on_any_resource": 4},
    },
}


def test_a_role():
    numbers, users, *finding = report(ROLE)
    assert numbers.startswith("r allows 44 actions, 43 of them on any resource; the least would be 13, and 4 of them")
    assert users.endswith(": 2")
    assert finding == ["HIGH x: bad", '    seen in: ["a"]', "    repair: do"]


def test_a_role_that_is_right_and_whose_nodes_are_not_known():
    assert report({**ROLE, "findings": [], "managed_instance_ids": None})[1:] == ["nothing is wrong with it"]


def test_long_evidence_is_cut():
    line = report({"findings": [{**FINDING, "evidence": "e" * 1000}]})[1]
    assert line.endswith("...") and len(line) < 350


def test_findings_alone():
    assert report({"findings": []}) == []
