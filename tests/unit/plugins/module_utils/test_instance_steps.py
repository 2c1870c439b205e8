# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._instance_steps import Goal
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._instance_steps import Step
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._instance_steps import is_standalone
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._instance_steps import next_step
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._instance_steps import waits_for

NODE = {"iam_role": "r"}


def ci(arn="a", status="ACTIVE", running=0, pending=0, connected=True):
    return {
        "container_instance_arn": arn,
        "status": status,
        "running_tasks_count": running,
        "pending_tasks_count": pending,
        "agent_connected": connected,
    }


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
    ("task", "alone"),
    [({"group": "service:web"}, False), ({"group": "family:web"}, True), ({"group": "mine"}, True), ({}, True)],
)
def test_tasks_of_services_are_left_to_draining(task, alone):
    assert is_standalone(task) is alone


def test_what_is_waited_for():
    assert waits_for([ci(running=1)]) == "1 task to end"
    assert waits_for([ci(running=1, pending=1), ci(connected=False)]) == "2 tasks to end"
    assert "agent is not connected" in waits_for([ci(running=1, connected=False)])
