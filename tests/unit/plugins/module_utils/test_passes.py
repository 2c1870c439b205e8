# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _passes


def one(n, **changes):
    return {
        "managed_instance_id": f"mi-{n}",
        "changed": False,
        "failed": False,
        "msg": "",
        "status": "ACTIVE",
        "status_before": "ACTIVE",
        "waits_for": "",
        "stopped_tasks": [],
        **changes,
    }


WAITS = {"changed": True, "status": "DRAINING", "waits_for": "1 task to end"}


def test_a_later_look_completes_the_first():
    first = {
        "changed": True,
        "instances": [one(1), one(2, **WAITS, stopped_tasks=["t"])],
        "unfinished": ["mi-2"],
        "diff": {"before": {"mi-2": "ACTIVE"}, "after": {"mi-2": "DRAINING"}},
    }
    later = {
        "changed": True,
        "instances": [one(2, changed=True, status=None, status_before="DRAINING")],
        "unfinished": [],
        "diff": {"before": {"mi-2": "DRAINING"}, "after": {"mi-2": "gone"}},
    }
    result = _passes.merged(first, later)
    assert [i["status"] for i in result["instances"]] == ["ACTIVE", None] and result["unfinished"] == []
    assert result["instances"][1]["stopped_tasks"] == ["t"] and result["instances"][1]["status_before"] == "ACTIVE"
    assert result["diff"] == {"before": {"mi-2": "ACTIVE"}, "after": {"mi-2": "gone"}}
    assert "failed" not in result


def test_what_was_changed_first_stays_changed_though_the_later_look_changes_nothing():
    first = {"changed": True, "instances": [one(1, **WAITS)], "unfinished": ["mi-1"]}
    later = {"changed": False, "instances": [one(1, status="DRAINING")], "unfinished": []}
    result = _passes.merged(first, later)
    assert result["changed"] and result["instances"][0]["changed"]


def test_a_failure_of_the_first_look_stays_with_its_message():
    failed = one(1, failed=True, msg="denied.")
    first = {
        "changed": True,
        "failed": True,
        "msg": "x",
        "instances": [failed, one(2, **WAITS)],
        "unfinished": ["mi-2"],
    }
    later = {"changed": False, "instances": [one(2)], "unfinished": []}
    result = _passes.merged(first, later)
    assert result["failed"] and result["msg"] == "1 of 2 instances failed. mi-1: denied."


def test_progress_names_those_that_wait_and_not_all():
    result = {
        "instances": [one(0), one(1, failed=True)] + [one(n, **WAITS) for n in range(2, 10)],
        "unfinished": [f"mi-{n}" for n in range(2, 10)],
    }
    line = _passes.progress(result)
    assert line.startswith("1 of 10 finished, 1 failed; waiting for mi-2 (1 task to end); mi-3")
    assert line.endswith("; and 3 more") and "mi-7" not in line


def test_what_timed_out_has_failed_and_may_be_restored():
    first = {
        "changed": True,
        "instances": [
            one(1),
            one(2, **WAITS, drain_reason="upgrade"),
            one(3, **{**WAITS, "status_before": "DRAINING"}, drain_reason="upgrade"),
        ],
        "unfinished": ["mi-2", "mi-3"],
    }
    result = _passes.timed_out(first, 600)
    assert result["failed"] and [i["failed"] for i in result["instances"]] == [False, True, True]
    assert "Timed out after 600 seconds: it waits for 1 task to end" in result["msg"] and "force=true" in result["msg"]
    assert _passes.to_restore(first, result) == ["mi-2"]
    result = _passes.restored(
        result, {"instances": [one(2, changed=True, status_before="DRAINING", drain_reason=None)]}
    )
    assert [i.get("drain_reason") for i in result["instances"]] == [None, None, "upgrade"]
    assert [i["status"] for i in result["instances"]] == ["ACTIVE", "ACTIVE", "DRAINING"]
    assert result["failed"] and "made active again" in result["instances"][1]["msg"]
    assert "made active again" not in result["instances"][2]["msg"]
