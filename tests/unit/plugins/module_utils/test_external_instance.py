# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _external_instance as external

EARLY, LATE = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=1)
ID = "mi-0123456789abcdef0"


def instance(arn, **changes):
    return {"containerInstanceArn": arn, "ec2InstanceId": ID, "status": "ACTIVE", "registeredAt": EARLY, **changes}


@pytest.mark.parametrize(
    ("one", "other", "best"),
    [
        ({"agentConnected": True}, {"agentConnected": False, "registeredAt": LATE}, "one"),
        ({"status": "DRAINING", "registeredAt": LATE}, {"status": "ACTIVE"}, "other"),
        ({"status": "DRAINING", "agentConnected": True}, {"status": "ACTIVE"}, "one"),
        ({"registeredAt": EARLY}, {"registeredAt": LATE}, "other"),
        ({}, {}, "other"),
    ],
)
def test_of_several_container_instances_one_is_chosen_and_the_others_are_told(one, other, best):
    rest = {"one": "other", "other": "one"}[best]
    for pair in ([("one", one), ("other", other)], [("other", other), ("one", one)]):
        (entry,) = external.joined([], [instance(name, **changes) for name, changes in pair], [])
        assert entry["ecs"]["container_instance_arn"] == best and entry["duplicates"] == [rest]


def test_values_are_shaped_for_use():
    raw = instance(
        "a",
        agentConnected=True,
        versionInfo={"agentVersion": "1.105.1", "dockerVersion": "DockerVersion: 28.0.1"},
        attributes=[{"name": "ecs.capability.external"}, {"name": "rack", "value": "4"}],
        tags=[{"key": "k", "value": "v"}],
        runningTasksCount=2,
    )
    seen = external.container_instance_of(raw)
    assert (seen["agent_version"], seen["docker_version"]) == ("1.105.1", "28.0.1")
    assert seen["attributes"] == {"ecs.capability.external": None, "rack": "4"}
    assert seen["tags"] == {"k": "v"} and seen["running_tasks_count"] == 2
    assert seen["registered_at"] == "2026-01-01T00:00:00+00:00"


def test_a_node_has_every_documented_key_and_no_other():
    seen = external.node_of(
        {"InstanceId": ID, "PingStatus": "Online", "IPAddress": "192.0.2.1", "LastPingDateTime": EARLY}
    )
    assert set(seen) == set(external._NODE_KEYS)
    assert seen["ping_status"] == "Online" and seen["ip_address"] == "192.0.2.1" and seen["iam_role"] is None
    assert seen["last_ping_date_time"] == "2026-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("ids", "ok"),
    [
        ([], True),
        ([ID], True),
        (["mi-0123456789ABCDEF0"], False),
        ([ID, "mi-1"], False),
        (["i-0123456789abcdef0"], False),
    ],
)
def test_ids(ids, ok):
    assert (external.problem_of_ids(ids) is None) is ok


@pytest.mark.parametrize(
    ("node", "iam_role", "replaced"),
    [
        ({"iam_role": "r"}, "r", False),
        ({"iam_role": "/r"}, "r", False),
        ({"iam_role": "a/r"}, "a/r", False),
        ({"iam_role": "other"}, "r", True),
        ({"iam_role": "a/r"}, "r", False),
        ({"iam_role": "r"}, "a/r", False),
        ({"iam_role": "r/other"}, "r", True),
        ({"iam_role": "R"}, "r", True),
        ({"iam_role": "other"}, None, None),
        ({"iam_role": None}, "r", None),
        (None, "r", None),
    ],
)
def test_whether_a_role_was_replaced(node, iam_role, replaced):
    assert external.role_replaced(node, iam_role) is replaced


@pytest.mark.parametrize(
    ("current", "iam_role", "after"),
    [
        ("r", "r", "r"),
        ("/r", "r", "/r"),
        ("other", "r", "r"),
        ("a/r", "r", "a/r"),
        (None, "r", "r"),
        ("other", None, "other"),
        (None, None, None),
    ],
)
def test_wanted(current, iam_role, after):
    wish = external.Wish(iam_role=iam_role)
    assert external.wanted({"iam_role": current}, wish) == {"iam_role": after}


def test_instances_that_failed_alike_are_named_together_and_not_all():
    failures = {f"mi-{n}": "denied." for n in range(7)} | {"mi-x": "unknown."}
    assert external.summary(failures, 20) == (
        "8 of 20 instances failed. mi-0, mi-1, mi-2, mi-3, mi-4 and 2 more: denied. mi-x: unknown."
    )
    said = external.summary({f"mi-{n}": f"{n}." for n in range(7)}, 7)
    assert said.endswith("mi-4: 4. And 2 more messages, see instances.") and "mi-5" not in said
