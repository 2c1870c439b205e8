# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Several executions told as one, and the table of tasks."""

from __future__ import annotations

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _placement
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _service_passes
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _task_passes
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._task_result import lost
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._task_table import task_table


def task(number, status="RUNNING", problem="", **more):
    return {
        **lost("", f"arn:ci/{number}", f"mi-{number}", f"arn:task/{number}"),
        "failed": bool(problem),
        "msg": problem,
        "last_status": status,
        **more,
    }


def result(*tasks, **more):
    return {
        "changed": True,
        "tasks": list(tasks),
        "unfinished": [t["task_arn"] for t in tasks if t["last_status"] == "RUNNING"],
        **more,
    }


NOT_STARTED = {**lost("no room", "arn:ci/9", "mi-9"), "stopped_reason": "AGENT"}


def test_a_later_look_adds_what_it_knows_and_takes_nothing_away():
    first = result(task(1), task(2), NOT_STARTED)
    later = result(task(1, "STOPPED", exit_code=0, logs=[{"driver": "none"}], managed_instance_id=None))
    merged = _task_passes.merged(first, later)
    one, two, three = merged["tasks"]
    assert (one["last_status"], one["exit_code"], one["managed_instance_id"]) == ("STOPPED", 0, "mi-1")
    assert one["logs"] == [{"driver": "none"}] and two["last_status"] == "RUNNING" and three["failed"]
    assert merged["failed"] and merged["msg"] == "1 of 3 tasks failed. mi-9: no room"
    assert merged["changed"] and merged["unfinished"] == []


def test_an_exit_code_of_zero_survives_and_one_instance_may_have_several_tasks():
    merged = _task_passes.merged(result(task(1)), result(task(1, "STOPPED", exit_code=0)))
    assert merged["tasks"][0]["exit_code"] == 0 and "failed" not in merged
    twice = [task(n, "STOPPED", "bad", managed_instance_id="mi-1") for n in (1, 2)]
    assert _task_passes.told(result(*twice))["msg"] == "2 of 2 tasks failed. mi-1, mi-1: bad"


def test_progress_of_tasks():
    tasks = [task(n) for n in range(7)]
    line = _task_passes.progress(result(*tasks, task(8, "STOPPED"), task(9, "STOPPED", "bad")))
    assert line.startswith("2 of 9 tasks have ended, 1 failed; 7 running on mi-0, mi-1")
    assert line.endswith(" and 2 more")
    assert _task_passes.progress(result(task(1, "STOPPED"))) == "1 of 1 tasks have ended"


@pytest.mark.parametrize(("status", "words"), [("RUNNING", "It goes on running"), ("PENDING", "still being pulled")])
def test_tasks_that_take_too_long(status, words):
    late = task(1, status)
    told = _task_passes.timed_out({**result(late), "unfinished": [late["task_arn"]]}, 3.0)
    assert told["failed"] and f"Timed out after 3 seconds: the task is {status}. " in told["msg"]
    assert words in told["msg"] and told["unfinished"] == [late["task_arn"]]


SERVICE = {"changed": False, "progress": "0 of 1 tasks running", "events": ["no place."], "unfinished": True}


def test_services():
    stopped = [{"managed_instance_id": f"mi-{n}", "task_arn": "x", "msg": f"ended {n}."} for n in range(5)]
    told = _service_passes.timed_out({**SERVICE, "stopped_tasks": stopped}, 8.0)
    assert told["failed"] and told["msg"].startswith(
        "Timed out after 8 seconds: 0 of 1 tasks running. mi-0: ended 0. mi-1: ended 1. mi-2: ended 2. "
        "And 2 more, see stopped_tasks. ECS says: no place. Next: "
    )
    told = _service_passes.failed("circuit breaker", "region x", {**SERVICE, "stopped_tasks": stopped[:1]})
    assert "failed (region x): circuit breaker. mi-0: ended 0. ECS says: no place." in told["msg"]
    diff = {"before": {}, "after": {"a": 1}}
    merged = _service_passes.merged({"changed": True, "registered": True, "diff": diff}, {**SERVICE, "diff": {}})
    assert (merged["changed"], merged["registered"], merged["diff"]) == (True, True, diff)
    second = _service_passes.merged(SERVICE, {**SERVICE, "changed": True, "diff": diff})
    assert second["changed"] and second["diff"] == diff and _service_passes.progress(second) == SERVICE["progress"]


@pytest.mark.parametrize(
    ("constraints", "strategy", "words"),
    [
        ([], [], None),
        ([{"type": "memberOf", "expression": "x"}, {"type": "distinctInstance", "expression": None}], None, None),
        ([{"type": "memberOf", "expression": None}], [], "memberOf needs an expression"),
        ([{"type": "distinctInstance", "expression": "x"}], [], "distinctInstance has none"),
        ([], [{"type": "spread", "field": None}], "spread and binpack need a field"),
        ([], [{"type": "random", "field": "x"}], "random has none"),
        (None, [{"type": "random", "field": None}, {"type": "binpack", "field": "memory"}], None),
    ],
)
def test_placement(constraints, strategy, words):
    params = {"placement_constraints": constraints, "placement_strategy": strategy}
    problem = _placement.problem_of(params)
    assert problem is None if words is None else words in problem


def test_placement_in_aws_words():
    params = {"placement_constraints": [{"type": "distinctInstance", "expression": None}], "placement_strategy": None}
    assert _placement.params_of(params) == {"placementConstraints": [{"type": "distinctInstance"}]}


def test_the_table_names_what_failed_first_and_why():
    tasks = [
        task(1, "STOPPED", exit_code=0, stopped_reason="Essential container in task exited"),
        task(2, "STOPPED", "The task failed: x.", exit_code=4),
        {**NOT_STARTED, "msg": "The task failed: x."},
        task(3),
    ]
    lines = task_table(tasks, {"mi-2": "beta", "mi-1": "alpha"}, 70)
    assert lines[0] == "4 tasks: 2 ok, 2 failed"
    assert lines[2].split() == ["SERVER", "INSTANCE", "RESULT", "EXIT", "REASON"]
    assert [line.split()[:3] for line in lines[3:7]] == [
        ["beta", "mi-2", "failed"],
        ["mi-9", "not", "started"],
        ["alpha", "mi-1", "ok"],
        ["mi-3", "running"],
    ]
    assert lines[-1] == "  beta, mi-9: The task failed: x." and max(map(len, lines)) <= 70
    assert task_table([]) == ["There are no tasks."]
    assert "SERVER" not in "".join(task_table(tasks))
