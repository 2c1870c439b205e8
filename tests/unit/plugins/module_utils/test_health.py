# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How an instance fares: a table of what AWS says, now and before."""

from __future__ import annotations

from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _health
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._drain_mark import MARK
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._health import Norm

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def ago(**time):
    return (NOW - timedelta(**time)).isoformat()


def ssm(**changes):
    return {
        "ping_status": "Online",
        "last_ping_date_time": ago(minutes=2),
        "agent_version": "3.3.4108.0",
        "iam_role": "ecsAnywhereRole",
        **changes,
    }


def ecs(**changes):
    return {
        "status": "ACTIVE",
        "agent_connected": True,
        "agent_version": "1.105.1",
        "running_tasks_count": 2,
        **changes,
    }


def instance(ssm_side, ecs_side, **changes):
    given = {"managed_instance_id": "mi-1", "ssm": ssm_side, "ecs": ecs_side, "duplicates": [], "role_replaced": None}
    return {**given, **changes}


def lost(**time):
    return ssm(ping_status="ConnectionLost", last_ping_date_time=ago(**time))


AWAY = ecs(agent_connected=False)

# case: (instance, states with the worst first, since, a word of the message, a word of the repair)
CASES = {
    "both sides hear of it": (instance(ssm(), ecs()), [], None, "", ""),
    "the wanted role": (instance(ssm(), ecs(), role_replaced=False), [], None, "", ""),
    "lost a moment ago": (
        instance(lost(hours=1), AWAY),
        ["disconnected"],
        ago(hours=1),
        "ConnectionLost and does not hear of it; ECS neither",
        "register",
    ),
    "lost to SSM only": (instance(lost(hours=1), ecs()), ["disconnected"], ago(hours=1), "ECS does", "register"),
    "not quite dead": (instance(lost(days=7), AWAY), ["disconnected"], ago(days=7), "", "deregister"),
    "dead": (instance(lost(days=8), AWAY), ["zombie"], ago(days=8), "for 8 days, and ECS neither", "prune"),
    "not dead while ECS hears of it": (instance(lost(days=8), ecs()), ["disconnected"], ago(days=8), "", ""),
    "dead and in no cluster": (instance(lost(days=8), None), ["zombie"], ago(days=8), "in no cluster", "prune"),
    "in no cluster": (instance(ssm(), None), ["ssm_only"], None, "no cluster that was looked at does", "register"),
    "lost and in no cluster": (
        instance(lost(hours=1), None),
        ["ssm_only", "disconnected"],
        None,
        "Systems Manager knows it",
        "deregister",
    ),
    "deregistered at SSM, alive": (instance(None, ecs()), ["ecs_only"], None, "still connected", "register"),
    "deregistered at SSM, gone": (instance(None, AWAY), ["ecs_only"], None, "not connected", "deregister"),
    "nobody knows it": (instance(None, None), ["unknown"], None, "neither", "register"),
    "role replaced": (
        instance(ssm(iam_role="QuickSetup"), ecs(), role_replaced=True),
        ["role_replaced"],
        None,
        "another role, QuickSetup",
        "register",
    ),
    "role replaced, and so not connected": (
        instance(ssm(iam_role="QuickSetup"), AWAY, role_replaced=True),
        ["role_replaced", "flapping"],
        None,
        "another role",
        "gives it its role back",
    ),
    "not connected at one look": (instance(ssm(), AWAY), ["flapping"], ago(), "may pass", "Look again"),
    "duplicate": (instance(ssm(), ecs(), duplicates=["a", "b"]), ["duplicate"], None, "2 more", "retires"),
    "drained": (instance(ssm(), ecs(status="DRAINING")), ["draining"], None, "2 running tasks", "state=active"),
    "drained for an upgrade": (
        instance(ssm(), ecs(status="DRAINING", attributes={MARK: "upgrade"})),
        ["draining"],
        None,
        "an upgrade drained it, which is under way or did not end; it has 2 running tasks",
        "run the playbook hybrid.ecs_anywhere.upgrade again",
    ),
    "drained for something else": (
        instance(ssm(), ecs(status="DRAINING", attributes={MARK: "works"})),
        ["draining"],
        None,
        "somebody drained it",
        "state=active",
    ),
    "marked only": (instance(ssm(), ecs(attributes={MARK: "upgrade"})), [], None, "", ""),
    "drained and away": (
        instance(lost(hours=1), ecs(status="DRAINING", agent_connected=False)),
        ["disconnected", "draining"],
        ago(hours=1),
        "",
        "",
    ),
    "registering": (
        instance(ssm(), ecs(status="REGISTERING", agent_connected=False)),
        ["disconnected"],
        None,
        "ECS says REGISTERING",
        "register",
    ),
    "old ECS agent": (
        instance(ssm(), ecs(agent_version="1.99.0")),
        ["agent_outdated"],
        None,
        "its ECS agent is 1.99.0, 1.105.1 is known",
        "upgrade",
    ),
    "old SSM agent": (
        instance(ssm(agent_version="3.3.987.0"), ecs()),
        ["agent_outdated"],
        None,
        "its SSM agent is 3.3.987.0",
        "upgrade",
    ),
    "newer than the norm": (instance(ssm(), ecs(agent_version="1.106.0")), [], None, "", ""),
    "no versions": (instance(ssm(agent_version=None), ecs(agent_version=None)), [], None, "", ""),
    "everything at once": (
        instance(lost(days=9), ecs(status="DRAINING", agent_connected=False, agent_version="1.99.0"),
                 role_replaced=True, duplicates=["a"]),
        ["zombie", "role_replaced", "duplicate", "draining", "agent_outdated"],
        ago(days=9),
        "",
        "prune",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_one_look(case):
    shown, states, since, message, repair = CASES[case]
    found = _health.health(shown, Norm(NOW, 7, "1.105.1", "3.3.4108.0"))
    assert [t["state"] for t in found["troubles"]] == states
    assert found["state"] == (states or ["healthy"])[0]
    assert found["severity"] == _health.SEVERITIES[found["state"]]
    assert found["since"] == since
    assert message in found["message"] and repair in found["repair"]
    assert bool(found["message"]) == bool(found["repair"]) == bool(states)


def seen(state, since=None):
    return {"state": state, "since": since}


@pytest.mark.parametrize(
    ("now", "before", "looked", "state", "since"),
    [
        # away at both looks, which are far enough from each other
        (AWAY, seen("flapping", ago(seconds=90)), ago(seconds=90), "disconnected", ago(seconds=90)),
        (AWAY, seen("flapping", ago(seconds=60)), ago(seconds=60), "disconnected", ago(seconds=60)),
        (AWAY, seen("disconnected", ago(days=2)), ago(hours=1), "disconnected", ago(days=2)),
        # the looks are too near to each other; it is remembered since when
        (AWAY, seen("flapping", ago(seconds=5)), ago(seconds=5), "flapping", ago(seconds=5)),
        # it was not away before
        (AWAY, seen("healthy"), ago(hours=1), "flapping", ago()),
        (AWAY, seen("draining"), ago(hours=1), "flapping", ago()),
        # it was and is back
        (ecs(), seen("flapping", ago(seconds=90)), ago(seconds=90), "flapping", ago(seconds=90)),
        (ecs(), seen("disconnected", ago(days=1)), ago(minutes=15), "flapping", ago(minutes=15)),
        (ecs(), seen("disconnected", ago(days=1)), ago(minutes=16), "healthy", None),
        (ecs(), seen("healthy"), ago(seconds=90), "healthy", None),
    ],
)
def test_a_second_look(now, before, looked, state, since):
    given = {"looked_at": looked, "instances": [{"managed_instance_id": "mi-1", "health": before}]}
    shown = _health.with_health([instance(ssm(), now)], Norm(NOW), given)[0]["health"]
    assert (shown["state"], shown["since"]) == (state, since)


def test_an_earlier_look_at_others_says_nothing():
    given = {"looked_at": ago(hours=1), "instances": [{"managed_instance_id": "mi-2", "health": seen("flapping")}]}
    assert _health.with_health([instance(ssm(), AWAY)], Norm(NOW), given)[0]["health"]["state"] == "flapping"


def test_the_newest_agent_of_the_fleet_is_the_norm_if_none_is_given():
    fleet = [instance(ssm(), ecs(agent_version=version)) for version in ("1.99.0", "1.105.1", "1.100.0", None)]
    states = [i["health"]["state"] for i in _health.with_health(fleet, Norm(NOW))]
    assert states == ["agent_outdated", "healthy", "agent_outdated", "healthy"]
    states = [i["health"]["state"] for i in _health.with_health(fleet, Norm(NOW, ecs_agent_version="1.100"))]
    assert states == ["agent_outdated", "healthy", "healthy", "healthy"]


@pytest.mark.parametrize(
    ("text", "key"),
    [("1.105.1", (1, 105, 1)), ("1.105.1-1", (1, 105, 1)), ("3.3.4108.0", (3, 3, 4108, 0)), ("", ()), (None, ())],
)
def test_versions_compare_by_number(text, key):
    assert _health.version_key(text) == key


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"looked_at": "yesterday", "instances": []},
        {"looked_at": ago(), "instances": [{"managed_instance_id": "mi-1"}]},
        {"looked_at": ago(), "instances": [{"managed_instance_id": "mi-1", "health": {"since": "x"}}]},
        {"looked_at": ago(), "instances": ["mi-1"]},
    ],
)
def test_what_is_no_earlier_result(given):
    assert "seen must be an earlier result" in _health.problem_of_seen(given)


def test_what_is_an_earlier_result():
    shown = _health.with_health([instance(ssm(), AWAY)], Norm(NOW))
    assert _health.problem_of_seen({"looked_at": ago(), "instances": shown}) is None
    assert _health.problem_of_seen(None) is None
