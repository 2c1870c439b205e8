# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._drain_mark import MARK
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._instance_steps import Goal
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._instance_steps import Step
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._instance_steps import is_standalone
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._instance_steps import next_step
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._instance_steps import waits_for

NODE = {"iam_role": "r"}


def ci(arn="a", status="ACTIVE", running=0, pending=0, connected=True, mark=None):
    return {
        "attributes": {} if mark is None else {MARK: mark},
        "container_instance_arn": arn,
        "status": status,
        "running_tasks_count": running,
        "pending_tasks_count": pending,
        "agent_connected": connected,
    }


def draining(mark=None, arn="a", **how):
    return ci(arn, "DRAINING", mark=mark, **how)


def goal(state, **how):
    return Goal(state, **how)


@pytest.mark.parametrize(
    ("instances", "node", "wanted", "step"),
    [
        ([ci()], NODE, goal("active"), Step("none")),
        ([ci(status="DRAINING")], NODE, goal("active"), Step("activate", ("a",))),
        ([], NODE, goal("active"), Step("none")),
        ([ci()], NODE, goal("draining"), Step("drain", ("a",))),
        ([ci(running=1)], NODE, goal("draining", force=True), Step("drain", ("a",))),
        ([ci(status="DRAINING", running=1)], NODE, goal("draining"), Step("wait", ("a",))),
        ([ci(status="DRAINING", pending=1)], NODE, goal("draining"), Step("wait", ("a",))),
        ([ci(status="DRAINING", pending=1)], NODE, goal("draining", force=True), Step("wait", ("a",))),
        ([ci(status="DRAINING")], NODE, goal("draining"), Step("none")),
        ([ci("a"), ci("b", "DRAINING"), ci("c")], NODE, goal("draining"), Step("drain", ("a", "c"))),
        # absent, resumed from each of its points
        ([ci()], NODE, goal("absent"), Step("drain", ("a",))),
        ([ci(status="DRAINING", running=2)], NODE, goal("absent"), Step("wait", ("a",))),
        ([ci(status="DRAINING")], NODE, goal("absent"), Step("deregister", ("a",))),
        ([ci("a", "DRAINING", 1), ci("b", "DRAINING")], NODE, goal("absent"), Step("deregister", ("b",))),
        ([ci(status="INACTIVE")], NODE, goal("absent"), Step("release")),
        ([], NODE, goal("absent"), Step("release")),
        ([], None, goal("absent"), Step("none")),
        ([ci(status="DRAINING")], None, goal("absent"), Step("deregister", ("a",))),
        ([ci(running=3)], NODE, goal("absent", force=True), Step("deregister", ("a",))),
        ([], NODE, goal("absent", ssm=False), Step("none")),
        ([ci()], NODE, goal("absent", ecs=False), Step("release")),
    ],
)
def test_next_step(instances, node, wanted, step):
    assert next_step(instances, node, wanted) == step


@pytest.mark.parametrize(
    ("instances", "wanted", "step"),
    [
        # the mark comes before the state, and what has it is only drained
        ([ci()], goal("draining", drain_reason="x"), Step("mark", ("a",))),
        ([ci(mark="y")], goal("draining", drain_reason="x"), Step("mark", ("a",))),
        ([ci(mark="x")], goal("draining", drain_reason="x"), Step("drain", ("a",))),
        ([ci("a"), ci("b", mark="x"), draining(arn="c")], goal("draining", drain_reason="x"), Step("mark", ("a",))),
        # what is draining already keeps the reason that it has, or has not
        ([draining()], goal("draining", drain_reason="x"), Step("none")),
        ([draining("y")], goal("draining", drain_reason="x"), Step("none")),
        ([draining(running=1)], goal("draining", drain_reason="x"), Step("wait", ("a",))),
        # who drains without a reason takes over, and first of all
        ([ci(mark="x")], goal("draining"), Step("unmark", ("a",))),
        ([draining("x")], goal("draining"), Step("unmark", ("a",))),
        ([draining("x", running=1)], goal("draining"), Step("unmark", ("a",))),
        # with a reason, only its own is made active; the mark goes last
        ([draining("x"), ci("b", mark="x")], goal("active", drain_reason="x"), Step("activate", ("a",))),
        ([ci(mark="x")], goal("active", drain_reason="x"), Step("unmark", ("a",))),
        ([ci("a", "REGISTERING", mark="x")], goal("active", drain_reason="x"), Step("unmark", ("a",))),
        ([draining(), draining("y", "b"), ci("c"), ci("d", mark="y")], goal("active", drain_reason="x"), Step("none")),
        # without one, all are
        ([draining(), draining("y", "b")], goal("active"), Step("activate", ("a", "b"))),
        ([ci(), ci("b", mark="y")], goal("active"), Step("unmark", ("b",))),
        # what leaves is marked by nobody, and its mark goes with it
        ([ci(mark="x")], goal("absent"), Step("unmark", ("a",))),
        ([draining("x")], goal("absent"), Step("deregister", ("a",))),
        ([draining("x", running=1)], goal("absent"), Step("wait", ("a",))),
        ([ci(mark="x", running=1)], goal("absent", force=True), Step("deregister", ("a",))),
    ],
)
def test_next_step_with_marks(instances, wanted, step):
    assert next_step(instances, NODE, wanted) == step


@pytest.mark.parametrize(
    ("task", "alone"),
    [({"group": "service:web"}, False), ({"group": "family:web"}, True), ({"group": "mine"}, True), ({}, True)],
)
def test_tasks_of_services_are_left_to_draining(task, alone):
    assert is_standalone(task) is alone


def test_what_is_waited_for():
    assert waits_for([ci(running=1)]) == "1 task to end"
    assert waits_for([ci(running=1, pending=1), ci(connected=False)]) == "2 tasks to end"
    assert "agent is not connected" in waits_for([ci(running=1, connected=False)])
