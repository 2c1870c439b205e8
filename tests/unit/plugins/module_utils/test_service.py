# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _service

NORTH = {"type": "memberOf", "expression": "attribute:hall == north"}
DISTINCT = {"type": "distinctInstance"}
ROLLING = {"maximumPercent": 200, "minimumHealthyPercent": 100}
OFF = {"enable": False, "rollback": False}
STATE = {
    "taskDefinition": "arn:web:1",
    "desiredCount": 2,
    "deploymentConfiguration": {**ROLLING, "deploymentCircuitBreaker": OFF, "strategy": "ROLLING"},
    "placementConstraints": [NORTH, DISTINCT],
    "placementStrategy": [],
    "enableExecuteCommand": False,
    "propagateTags": "NONE",
    "tags": {"a": "1", "b": "2"},
}
PARAMS = {
    "name": "web",
    "desired_count": None,
    "deployment_configuration": None,
    "enable_execute_command": None,
    "propagate_tags": None,
    "placement_constraints": None,
    "placement_strategy": None,
}


def wish(**given):
    return _service.wish_of({**PARAMS, **given}, given.pop("definition", None))


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({}, {}),
        ({"desired_count": 2, "enable_execute_command": False, "propagate_tags": "NONE"}, {}),
        ({"definition": "arn:web:1"}, {}),
        ({"definition": "arn:web:2"}, {"taskDefinition": "arn:web:2"}),
        ({"desired_count": 0}, {"desiredCount": 0}),
        ({"placement_constraints": [DISTINCT, NORTH]}, {}),
        ({"placement_constraints": [{**DISTINCT, "expression": None}, NORTH]}, {}),
        ({"placement_constraints": []}, {"placementConstraints": []}),
        ({"placement_strategy": [{"type": "spread", "field": "instanceId"}]},
         {"placementStrategy": [{"type": "spread", "field": "instanceId"}]}),
        ({"deployment_configuration": {"maximum_percent": 200, "minimum_healthy_percent": None,
                                       "deployment_circuit_breaker": None}}, {}),
        ({"deployment_configuration": {"maximum_percent": 150}},
         {"deploymentConfiguration": {**STATE["deploymentConfiguration"], "maximumPercent": 150}}),
        ({"deployment_configuration": {"deployment_circuit_breaker": {"enable": False, "rollback": False}}}, {}),
        ({"deployment_configuration": {"deployment_circuit_breaker": {"enable": True, "rollback": False}}},
         {"deploymentConfiguration": {**STATE["deploymentConfiguration"],
                                      "deploymentCircuitBreaker": {"enable": True, "rollback": False}}}),
        ({"enable_execute_command": True, "propagate_tags": "SERVICE"},
         {"enableExecuteCommand": True, "propagateTags": "SERVICE"}),
    ],
)  # fmt: skip
def test_only_what_differs_is_sent(given, sent):
    after = _service.wanted(STATE, wish(**given), None, False)
    assert _service.update(STATE, after) == sent
    assert (after == STATE) == (not sent)


@pytest.mark.parametrize(
    ("tags", "purge", "expected"),
    [
        (None, True, {"a": "1", "b": "2"}),
        ({"a": "1"}, False, {"a": "1", "b": "2"}),
        ({"a": "1"}, True, {"a": "1"}),
        ({"a": "3", "c": "4"}, False, {"a": "3", "b": "2", "c": "4"}),
    ],
)
def test_tags(tags, purge, expected):
    after = _service.wanted(STATE, {}, tags, purge)
    assert after["tags"] == expected and _service.update(STATE, after) == {}


def test_what_a_service_is_created_with():
    assert _service.creation(wish(definition="arn:web:1"), None) == {"desiredCount": 1, "taskDefinition": "arn:web:1"}
    made = _service.creation(
        wish(definition="arn:web:1", desired_count=0, placement_constraints=[], propagate_tags="NONE"), {"a": "1"}
    )
    assert made == {"desiredCount": 0, "taskDefinition": "arn:web:1", "tags": [{"key": "a", "value": "1"}]}
    state = _service.state_of({**made, "tags": [*made["tags"], {"key": "aws:x", "value": "y"}]})
    assert (state["desiredCount"], state["tags"], state["propagateTags"]) == (0, {"a": "1"}, "NONE")
    assert _service.snake(state)["task_definition"] == "arn:web:1" and _service.snake(None) == {}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, None),
        ({"desired_count": 0}, None),
        ({"name": ""}, "1 to 255 letters"),
        ({"name": "a b"}, "1 to 255 letters"),
        ({"desired_count": -1}, "cannot be less"),
        ({"deployment_configuration": {"minimum_healthy_percent": 100, "maximum_percent": 100}}, "could be replaced"),
        ({"deployment_configuration": {"minimum_healthy_percent": 0, "maximum_percent": 99}}, "at least 100"),
        ({"deployment_configuration": {"minimum_healthy_percent": 150, "maximum_percent": 120}}, "at least 100"),
        ({"deployment_configuration": {"minimum_healthy_percent": 50, "maximum_percent": None}}, None),
    ],
)
def test_problems(given, words):
    problem = _service.problem_of({**PARAMS, **given})
    assert problem is None if words is None else words in problem


def deployment(identifier="d1", status="PRIMARY", rollout="COMPLETED", **more):
    return {"id": identifier, "status": status, "rolloutState": rollout, "taskDefinition": "arn:td/web:1", **more}


def service(*deployments, desired=2, running=2, pending=0, status="ACTIVE"):
    return {
        "serviceName": "web",
        "status": status,
        "desiredCount": desired,
        "runningCount": running,
        "pendingCount": pending,
        "deployments": list(deployments),
    }


@pytest.mark.parametrize(
    ("raw", "state", "words"),
    [
        (service(deployment()), "done", "2 of 2 tasks running"),
        (service(deployment(rollout=None)), "done", "2 of 2 tasks running"),
        (service(deployment(), running=0, desired=0), "done", "0 of 0 tasks running"),
        (service(deployment(), running=1, pending=1), "running", "1 of 2 tasks running, 1 pending"),
        (service(deployment(), running=3), "running", "3 of 2"),
        (service(deployment(rollout="IN_PROGRESS")), "running", "2 of 2"),
        (service(deployment(rollout="IN_PROGRESS", failedTasks=2), running=0), "running", "2 failed to start"),
        (service(deployment(), deployment("d0", "ACTIVE", runningCount=1)), "running", "1 of the former deployment"),
        (service(deployment(rollout="FAILED", rolloutStateReason="tasks failed to start.")), "failed",
         "tasks failed to start"),
        (service(deployment("d2"), deployment("d1", "ACTIVE", "FAILED", rolloutStateReason="circuit breaker.")),
         "failed", "circuit breaker; ECS goes back to web:1"),
        (service(deployment("d2", rolloutStateReason="rolling back.")), "failed",
         "another deployment took its place (d2: rolling back)"),
        ({**service(deployment("d2")), "events": [
            {"message": "(service web) has started 1 tasks."},
            {"message": "(service web) (deployment d1) deployment failed: tasks failed to start."}]},
         "failed", "(deployment d1) deployment failed: tasks failed to start; ECS goes back to web:1"),
        (service(), "failed", "no deployment any more"),
        (service(deployment(), status="DRAINING"), "failed", "somebody deleted it"),
    ],
)  # fmt: skip
def test_how_a_deployment_fares(raw, state, words):
    progress = _service.progress_of(raw, "d1")
    assert progress.state == state and words in progress.words


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (None, ""),
        (service(status="INACTIVE"), ""),
        (service(status="DRAINING", running=1), "1 task to end"),
        (service(status="DRAINING", running=1, pending=1), "2 tasks to end"),
    ],
)
def test_what_a_deleted_service_waits_for(raw, words):
    assert _service.leaving(raw) == words


def test_a_service_as_modules_return_it():
    events = [{"id": str(n), "message": f"(service web) event {n}."} for n in range(20)]
    shown = _service.shown({**service(deployment()), "events": events, "tags": [{"key": "costCentre", "value": "1"}]})
    assert shown["service_name"] == "web" and shown["deployments"][0]["rollout_state"] == "COMPLETED"
    assert len(shown["events"]) == 10 and shown["tags"] == {"costCentre": "1"}
    assert _service.said_last({**service(), "events": events}) == ["event 0.", "event 1.", "event 2."]
    assert _service.shown(None) == {}
