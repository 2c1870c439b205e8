# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Who is missing, and the line that tells it."""

from __future__ import annotations

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._connected import agents_wanted
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._connected import missing
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._connected import progress
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._exec_plan import CAPABILITY

ONLINE = {"ping_status": "Online", "computer_name": "edge1"}
ACTIVE = {"status": "ACTIVE", "agent_connected": True}


def instance(ssm, ecs, number=1):
    return {"managed_instance_id": f"mi-{number}", "ssm": ssm, "ecs": ecs}


@pytest.mark.parametrize(
    "ssm, ecs, seen",
    [
        (ONLINE, ACTIVE, None),
        (None, None, "mi-1: Systems Manager does not know it, ECS does not know it"),
        (ONLINE, None, "mi-1 (edge1): Systems Manager Online, ECS does not know it"),
        (
            {"ping_status": "ConnectionLost"},
            ACTIVE,
            "mi-1: Systems Manager ConnectionLost, ECS ACTIVE, connected",
        ),
        (
            ONLINE,
            {"status": "ACTIVE", "agent_connected": False},
            "mi-1 (edge1): Systems Manager Online, ECS ACTIVE, not connected",
        ),
        (
            ONLINE,
            {"status": "DRAINING", "agent_connected": True},
            "mi-1 (edge1): Systems Manager Online, ECS DRAINING, connected",
        ),
    ],
)
def test_missing(ssm, ecs, seen):
    assert missing([instance(ssm, ecs)]) == ({"mi-1": seen} if seen else {})


def test_who_is_known_to_drain_may_drain():
    one = instance(ONLINE, {"status": "DRAINING", "agent_connected": True})
    assert missing([one], {"mi-1": {"draining": True}}) == {}
    assert list(missing([one], {"mi-1": {"ecs": ""}})) == ["mi-1"]


def test_an_upgrade_waits_for_what_it_drained():
    wanted = {"ssm_agent_version": "", "ecs_agent_version": ""}
    assert "draining" not in agents_wanted({**wanted, "upgrade": False})
    assert agents_wanted({**wanted, "upgrade": True})["draining"] is True


@pytest.mark.parametrize(
    "attributes, seen",
    [({}, "ECS ACTIVE, connected, ECS does not list ecs.capability.execute-command"), ({CAPABILITY: None}, None)],
)
def test_who_is_to_be_able_to_execute_commands_has_to_say_so(attributes, seen):
    one = instance(ONLINE, {**ACTIVE, "attributes": attributes})
    found = missing([one], {"mi-1": {"exec": True}})
    assert found == {} if seen is None else found["mi-1"].endswith(seen)
    assert missing([one], {"mi-1": {}}) == missing([one]) == {}


def test_progress_counts_and_names():
    assert progress([instance(ONLINE, ACTIVE)]) == "1 of 1 connected"
    line = progress([instance(ONLINE, ACTIVE), instance(ONLINE, None, 2)])
    assert line == "1 of 2 connected; waiting for mi-2 (edge1): Systems Manager Online, ECS does not know it"


def test_progress_names_a_few_of_many():
    line = progress([instance(None, None, number) for number in range(8)])
    assert line.startswith("0 of 8 connected")
    assert line.count("mi-") == 5 and line.endswith("and 3 more")


def test_other_agents_than_those_waited_for_are_missing():
    ssm, ecs = {**ONLINE, "agent_version": "3.3.1.0"}, {**ACTIVE, "agent_version": "1.104.0"}
    wanted = {"mi-1": {"ssm": "3.3.1.0", "ecs": "1.105.1"}, "mi-2": {"ssm": "", "ecs": "1.104.0"}}
    fleet = [instance(ssm, ecs), instance(ssm, ecs, 2), instance(ssm, ecs, 3)]
    found = missing(fleet, wanted)
    assert list(found) == ["mi-1"]
    assert found["mi-1"] == (
        "mi-1 (edge1): Systems Manager Online, ECS ACTIVE, connected, "
        "ECS says that its agent is 1.104.0, wanted is 1.105.1"
    )
    assert progress(fleet, wanted).startswith("2 of 3 connected; waiting for mi-1")
    assert missing(fleet) == {}
