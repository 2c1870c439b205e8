# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Waiting for tasks and services, between executions of the modules."""

from __future__ import annotations

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.action import ecs_external_service
from ansible_collections.hybrid.ecs_anywhere.plugins.action import ecs_external_task
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._task_result import lost
from ansible_collections.hybrid.ecs_anywhere.plugins.plugin_utils import _watch
from test_actions import act


@pytest.fixture
def world(monkeypatch):
    """Time that passes by sleeping, and the lines that were shown."""
    clock, lines = [0.0], []

    def sleep(seconds):
        clock[0] += seconds

    monkeypatch.setattr(_watch.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(_watch.time, "sleep", sleep)
    monkeypatch.setattr(_watch.display, "display", lines.append)
    return lines


def task(number, status="RUNNING", problem=""):
    return {
        **lost("", f"arn:ci/{number}", f"mi-{number}", f"t{number}"),
        "failed": bool(problem),
        "msg": problem,
        "last_status": status,
    }


def tasks(*found, **more):
    left = [t["task_arn"] for t in found if t["last_status"] == "RUNNING"]
    return {"changed": True, "tasks": list(found), "unfinished": left, **more}


ARGS = {
    "cluster": "edge",
    "task_definition": "job",
    "managed_instance_ids": ["mi-1"],
    "region": "r",
    "deregister": True,
}


def test_tasks_are_started_once_and_looked_at_until_they_have_ended(world):
    answers = [tasks(task(1), task(2)), tasks(task(1, "STOPPED"), task(2)), tasks(task(2, "STOPPED"))]
    result, asked = act(ecs_external_task, ARGS, answers)
    assert asked == [
        ARGS,
        {"cluster": "edge", "region": "r", "tasks": ["t1", "t2"]},
        {"cluster": "edge", "region": "r", "tasks": ["t2"]},
    ]
    assert [t["last_status"] for t in result["tasks"]] == ["STOPPED", "STOPPED"] and "failed" not in result
    assert world[0] == "edge: 0 of 2 tasks have ended; 2 running on mi-1, mi-2"
    assert world[-1] == "edge: 2 of 2 tasks have ended"


def test_one_that_failed_does_not_end_the_waiting_for_the_others(world):
    first = tasks(task(1, "STOPPED", "bad"), task(2), failed=True, msg="1 of 2 tasks failed. mi-1: bad")
    result, asked = act(ecs_external_task, ARGS, [first, tasks(task(2, "STOPPED"), changed=False)])
    assert len(asked) == 2 and result["failed"] and result["changed"]
    assert result["msg"] == "1 of 2 tasks failed. mi-1: bad" and result["unfinished"] == []


def test_tasks_that_take_too_long(world):
    result, asked = act(ecs_external_task, {**ARGS, "wait_timeout": 12}, [tasks(task(1))])
    assert len(asked) == 4 and result["failed"] and "Timed out after 12 seconds" in result["msg"]
    assert result["unfinished"] == ["t1"] and len(world) == 1


@pytest.mark.parametrize("args", [{"wait": False}, {"wait": "no"}])
def test_without_waiting_nothing_is_looked_at(world, args):
    result, asked = act(ecs_external_task, {**ARGS, **args}, [tasks(task(1))])
    assert len(asked) == 1 and result["unfinished"] == ["t1"] and world == []


def test_a_look_that_fails_ends_it_and_what_was_started_is_still_told(world):
    result, _asked = act(
        ecs_external_task, ARGS, [tasks(task(1)), {"failed": True, "msg": "expired", "changed": False}]
    )
    assert result["failed"] and result["msg"] == "expired" and result["changed"]
    assert result["unfinished"] == ["t1"] and result["tasks"][0]["task_arn"] == "t1"


SERVICE = {"name": "web", "cluster": "edge", "force_new_deployment": True}
DONE = {"changed": False, "unfinished": False, "progress": "1 of 1", "deployment": {"id": "d1"}, "events": []}
GOING = {**DONE, "unfinished": True, "progress": "0 of 1"}


def test_the_deployment_that_was_made_is_looked_at(world):
    result, asked = act(ecs_external_service, SERVICE, [{**GOING, "changed": True}, GOING, DONE])
    assert asked == [SERVICE, {**SERVICE, "deployment": "d1"}, {**SERVICE, "deployment": "d1"}]
    assert result["changed"] and not result["unfinished"]
    assert world == ["edge, service web: 0 of 1", "edge, service web: 1 of 1"]


def test_what_had_to_wait_is_done_then(world):
    former = {"changed": False, "unfinished": True, "progress": "the former service of that name has 1 task to end"}
    result, asked = act(ecs_external_service, SERVICE, [former, former, {**GOING, "changed": True}, DONE])
    assert [a.get("deployment") for a in asked] == [None, None, None, "d1"] and result["changed"]


def test_a_deployment_that_fails(world):
    failure = {**DONE, "failed": True, "msg": "The deployment failed"}
    result, asked = act(ecs_external_service, SERVICE, [{**GOING, "changed": True}, failure])
    assert len(asked) == 2 and result["failed"] and result["changed"] and result["msg"] == "The deployment failed"
    result, asked = act(ecs_external_service, SERVICE, [failure])
    assert len(asked) == 1 and result["failed"]


def test_a_deployment_that_takes_too_long(world):
    result, _asked = act(ecs_external_service, {**SERVICE, "wait_timeout": 3}, [{**GOING, "events": ["no place"]}])
    assert result["failed"] and "Timed out after 3 seconds: 0 of 1. ECS says: no place" in result["msg"]


def test_a_service_without_waiting(world):
    result, asked = act(ecs_external_service, {**SERVICE, "wait": False}, [GOING])
    assert len(asked) == 1 and result["unfinished"]
