# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from datetime import UTC
from datetime import datetime

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _task_result
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._task_result import problem_of

INSTANCE = "arn:aws:ecs:eu-west-1:123456789012:container-instance/edge/1"
ESSENTIAL = "EssentialContainerExited"


def task(*containers, code=ESSENTIAL, status="STOPPED", reason="Essential container in task exited"):
    """containers: (exit code, reason)"""
    return {
        "taskArn": "arn:aws:ecs:eu-west-1:123456789012:task/edge/abc",
        "taskDefinitionArn": "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:1",
        "containerInstanceArn": INSTANCE,
        "lastStatus": status,
        "stopCode": code,
        "stoppedReason": reason,
        "containers": [
            {"name": f"c{n}", "exitCode": exit_code, "reason": why, "runtimeId": f"id{n}"}
            for n, (exit_code, why) in enumerate(containers)
        ],
    }


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (task((0, None)), ""),
        (task((None, None), status="RUNNING", code=None, reason=None), ""),
        (task((0, None), (0, None)), ""),
        # told to end because the other one had ended well
        (task((0, None), (137, None)), ""),
        (task((0, None), (143, None)), ""),
        (task((0, None), (None, None)), ""),
        (task((137, None)), "c0: exit code 137"),
        (task((0, None), (137, "OutOfMemoryError: container killed due to memory usage")), "needs more memory"),
        (task((3, None)), "exit code 3. Next: look at the logs"),
        (task((0, None), (3, None)), "c1: exit code 3"),
        (task((None, "CannotPullContainerError: no such image"), code="TaskFailedToStart"), "may not pull it"),
        (task((None, None), code="TaskFailedToStart", reason="Task failed to start"), "Task failed to start"),
        (task((0, None), code="UserInitiated", reason="Stopped by a person"), "was stopped before it ended"),
        (task((None, "CannotStartContainerError: x"), code="TaskFailedToStart"), "Docker cannot start"),
        (task(code="TaskFailedToStart", reason="ResourceInitializationError: no secret."), "could not be prepared"),
    ],
)
def test_what_failed_and_why(raw, words):
    problem = problem_of(raw)
    assert problem == "" if not words else words in problem
    assert ".." not in problem


@pytest.mark.parametrize(
    ("codes", "expected"), [([], None), ([None], None), ([0], 0), ([0, 4], 4), ([None, 0], 0), ([3, 4], 3)]
)
def test_one_exit_code_for_all(codes, expected):
    shown = _task_result.shown(task(*[(c, None) for c in codes]), {INSTANCE: "mi-1"}, None)
    assert shown["exit_code"] == expected and shown["managed_instance_id"] == "mi-1"


def definition(**log):
    return {"containerDefinitions": [{"name": "c0", **({"logConfiguration": log} if log else {})}]}


@pytest.mark.parametrize(
    ("defined", "expected"),
    [
        (definition(), {"driver": "json-file", "managed_instance_id": "mi-1", "runtime_id": "id0",
                        "command": "docker logs id0"}),
        (definition(logDriver="awslogs", options={"awslogs-group": "/g", "awslogs-region": "eu-west-1",
                                                  "awslogs-stream-prefix": "p"}),
         {"driver": "awslogs", "group": "/g", "region": "eu-west-1", "stream": "p/c0/abc"}),
        (definition(logDriver="awslogs", options={"awslogs-group": "/g"}),
         {"driver": "awslogs", "group": "/g", "region": None, "stream": "id0"}),
        (definition(logDriver="splunk", options={}), {"driver": "splunk"}),
    ],
)  # fmt: skip
def test_where_logs_are(defined, expected):
    assert _task_result.logs_of(task((0, None)), defined, "mi-1") == [{"container": "c0", **expected}]
    assert _task_result.logs_of(task((0, None)), None, "mi-1") == []


def test_a_task_as_modules_return_it():
    began = datetime(2026, 1, 1, tzinfo=UTC)
    shown = _task_result.shown({**task((3, None)), "startedAt": began, "startedBy": "me"}, {}, definition())
    assert (shown["started_at"], shown["stopped_at"], shown["managed_instance_id"]) == (
        "2026-01-01T00:00:00+00:00", None, None,
    )  # fmt: skip
    assert shown["failed"] and "exit code 3" in shown["msg"] and shown["started_by"] == "me"
    assert set(_task_result.lost("why", None, None)) == set(shown)


@pytest.mark.parametrize(
    ("reason", "cause", "next_step"),
    [
        ("RESOURCE:MEMORY", "not enough memory left", "ask for less"),
        ("RESOURCE:CPU", "not enough CPU units left", "ask for less"),
        ("RESOURCE:PORTS", "free ports", "choose another"),
        ("RESOURCE:PORTS_UDP", "free ports", "choose another"),
        ("RESOURCE:MAGIC", "not enough MAGIC left", "ask for less"),
        ("AGENT", "agent of the instance is not connected", "status"),
        ("ATTRIBUTE", "log driver", "requiresAttributes"),
        ("MISSING", "no such container instance", "register"),
        ("INACTIVE", "was deregistered", "register"),
        ("DRAINING", "is being drained", "active again"),
        ("LOCATION", "another place", "of that place"),
        ("MemberOf placement constraint unsatisfied.", "placement constraints", "attributes"),
        ("NEW", "not known to this collection", "look up"),
    ],
)
def test_why_a_task_was_not_placed(reason, cause, next_step):
    said = _task_result.not_placed(reason, "region x")
    assert said.startswith(f"The task was not started (region x): {reason}. Likely cause: ")
    assert cause in said and next_step in said.split("Next: ")[1]


def test_no_instance_could_take_it():
    said = _task_result.none_placed(["RESOURCE:CPU", "AGENT", "RESOURCE:CPU"], "region x")
    assert "RESOURCE:CPU on 2, AGENT on 1. Likely cause: the instance has not enough CPU units" in said
    assert "AWS gave no reason" in _task_result.none_placed([], "region x")
