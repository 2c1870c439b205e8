# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A fleet in numbers, and as a table that fits a terminal."""

from __future__ import annotations

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._fleet_summary import fleet_table
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._fleet_summary import summary
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._health import SEVERITIES


def instance(number, state="healthy", cluster="edge", name=None, version="1.105.1", **more):
    trouble = {"state": state, "message": "m", "repair": f"repair {state}", "since": None}
    troubles = [] if state == "healthy" else [trouble]
    return {
        "managed_instance_id": f"mi-{number:017x}",
        "ssm": {"ping_status": "Online", "computer_name": name or f"server{number}", "agent_version": "3.3.1"},
        "ecs": {"cluster": cluster, "status": "ACTIVE", "agent_connected": True, "agent_version": version},
        "health": {**trouble, "severity": SEVERITIES[state], "troubles": troubles},
        **more,
    }


def test_a_fleet_in_numbers():
    fleet = [
        instance(1),
        instance(2, "draining", version="1.99.0"),
        instance(3, "disconnected", cluster="lab"),
        instance(4, cluster="lab", version=None),
        instance(5, "ssm_only", ecs=None),
    ]
    assert summary(fleet) == {
        "instances": 5,
        "health": {"ssm_only": 1, "disconnected": 1, "draining": 1, "healthy": 2},
        "severity": {"ok": 2, "warning": 1, "error": 2},
        "clusters": {
            "(none)": {"ssm_only": 1},
            "edge": {"draining": 1, "healthy": 1},
            "lab": {"disconnected": 1, "healthy": 1},
        },
        "agent_versions": {"ecs": {"1.105.1": 2, "1.99.0": 1, "unknown": 1}, "ssm": {"3.3.1": 5}},
    }
    # the worst first, the newest first
    assert list(summary(fleet)["health"]) == ["ssm_only", "disconnected", "draining", "healthy"]
    assert list(summary(fleet)["agent_versions"]["ecs"]) == ["1.105.1", "1.99.0", "unknown"]


def test_a_small_fleet_is_shown_whole():
    lines = fleet_table([instance(1), instance(2, "draining"), instance(3, "zombie", ssm=None)])
    assert lines == [
        "3 external instances: 1 zombie, 1 draining, 1 healthy",
        "  cluster edge: 1 zombie, 1 draining, 1 healthy",
        "",
        "SERVER   ID                    CLUSTER  HEALTH    SSM      ECS",
        "?        mi-00000000000000003  edge     zombie    unknown  ACTIVE",
        "server2  mi-00000000000000002  edge     draining  Online   ACTIVE",
        "server1  mi-00000000000000001  edge     healthy   Online   ACTIVE",
        "",
        "What to do:",
        "  zombie (1): repair zombie",
        "  draining (1): repair draining",
    ]


def test_of_a_large_fleet_only_those_with_trouble_are_named():
    fleet = [instance(n, "duplicate" if n % 100 == 0 else "healthy") for n in range(1000)]
    lines = fleet_table(fleet)
    assert sum("mi-" in line for line in lines) == 10
    assert "and 990 that are healthy" in lines and "  duplicate (10): repair duplicate" in lines
    assert not any("mi-" in line for line in fleet_table(fleet[1:80]))


def test_who_is_not_connected():
    one = instance(1, "flapping", ecs={**instance(1)["ecs"], "agent_connected": False})
    assert any(line.endswith("Online  ACTIVE, away") for line in fleet_table([one]))


def test_an_empty_fleet():
    assert fleet_table([]) == ["There are no external instances."]


@pytest.mark.parametrize("width", [72, 88, 100])
def test_no_line_is_longer_and_the_terminal_is_safe(width):
    lines = fleet_table(
        [
            instance(1, "disconnected", cluster="a-cluster-with-a-name-of-many-words" * 3, name="n" * 80),
            instance(2, name="\x1b[31mred\u202e", cluster="\x1b]0;title\x07"),
            {
                **instance(3, "role_replaced"),
                "ecs": {
                    "cluster": "c",
                    "status": "REGISTRATION_FAILED",
                    "agent_connected": False,
                    "agent_version": None,
                },
            },
        ],
        width,
    )
    assert max(len(line) for line in lines) <= width
    text = "\n".join(lines)
    assert text.isascii() and text.replace("\n", "").isprintable()
    for n in (1, 2, 3):
        assert f"mi-{n:017x}" in text
    for state in ("disconnected", "healthy", "role_replaced"):
        assert f"  {state}  " in text
