# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import pytest
from botocore.stub import ANY

ARN = "arn:aws:ecs:eu-west-1:123456789012"
WEB1, WEB2 = (f"{ARN}:task-definition/web:{n}" for n in (1, 2))
INSTANCE = f"{ARN}:container-instance/edge/1"
DOCUMENT = {"family": "web", "containerDefinitions": [{"name": "web", "image": "nginx", "memory": 64}]}
DEFINITION = {
    **DOCUMENT,
    "taskDefinitionArn": WEB1,
    "status": "ACTIVE",
    "compatibilities": ["EC2", "EXTERNAL"],
    "requiresCompatibilities": ["EXTERNAL"],
}


def deployment(number=1, rollout="COMPLETED", status="PRIMARY", **more):
    return {"id": f"ecs-svc/{number}", "status": status, "rolloutState": rollout, "taskDefinition": WEB1, **more}


def service(*deployments, desired=1, running=1, **more):
    return {
        "serviceName": "web",
        "serviceArn": f"{ARN}:service/edge/web",
        "status": "ACTIVE",
        "launchType": "EXTERNAL",
        "desiredCount": desired,
        "runningCount": running,
        "pendingCount": 0,
        "taskDefinition": WEB1,
        "deployments": list(deployments or [deployment()]),
        **more,
    }


@pytest.fixture
def ecs(stub):
    return Ecs(stub("ecs"))


class Ecs:
    """What ECS answers, in the order in which it is asked."""

    def __init__(self, stubber):
        self.stubber = stubber

    def shows(self, *services):
        self.stubber.add_response(
            "describe_services",
            {"services": list(services)},
            {"cluster": "edge", "services": ["web"], "include": ["TAGS"]},
        )

    def defines(self, **more):
        self.stubber.add_response("describe_task_definition", {"taskDefinition": {**DEFINITION, **more}})

    def creates(self, answer, **expected):
        sent = {"cluster": "edge", "serviceName": "web", "launchType": "EXTERNAL", "clientToken": ANY, **expected}
        self.stubber.add_response("create_service", {"service": answer}, sent)

    def updates(self, answer, **expected):
        self.stubber.add_response(
            "update_service", {"service": answer}, {"cluster": "edge", "service": "web", **expected}
        )

    def breaks(self, operation, code="ServerException", status=500, words=""):
        self.stubber.add_client_error(operation, code, words, status)

    def stopped(self, *tasks):
        self.stubber.add_response(
            "list_tasks",
            {"taskArns": [t["taskArn"] for t in tasks]},
            {"cluster": "edge", "desiredStatus": "STOPPED", "serviceName": "web", "maxResults": 100},
        )
        if tasks:
            self.stubber.add_response("describe_tasks", {"tasks": list(tasks)})

    def explains(self):
        instance = {"containerInstanceArn": INSTANCE, "ec2InstanceId": "mi-1"}
        self.stubber.add_response("describe_container_instances", {"containerInstances": [instance]})
        self.defines()


def task(number, code=3, stop_code="EssentialContainerExited", **more):
    return {
        "taskArn": f"{ARN}:task/edge/{number}",
        "taskDefinitionArn": WEB1,
        "containerInstanceArn": INSTANCE,
        "startedBy": "ecs-svc/1",
        "lastStatus": "STOPPED",
        "stopCode": stop_code,
        "stoppedReason": "Essential container in task exited",
        "containers": [{"name": "web", "exitCode": code}],
        **more,
    }


def result_of(run, **args):
    return run("ecs_external_service", **{"name": "web", "cluster": "edge", **args})


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("found", [(), (service(status="INACTIVE"),)])
def test_it_is_created(ecs, run, check, found):
    ecs.shows(*found)
    ecs.defines()
    if not check:
        ecs.creates(
            service(desired=2, running=2),
            desiredCount=2,
            taskDefinition=WEB1,
            placementConstraints=[{"type": "distinctInstance"}],
            deploymentConfiguration={"maximumPercent": 150},
            tags=[{"key": "a", "value": "1"}],
        )
    result = result_of(
        run,
        task_definition="web",
        desired_count=2,
        placement_constraints=[{"type": "distinctInstance"}],
        placement_strategy=[],
        deployment_configuration={"maximum_percent": 150},
        tags={"a": 1},
        check=check,
        diff=True,
    )
    assert result["changed"] and result["diff"]["before"] == {}
    assert result["diff"]["after"]["desired_count"] == result["service"]["desired_count"] == 2
    assert result["diff"]["after"]["tags"] == {"a": "1"}
    if not check:
        assert (result["unfinished"], result["progress"]) == (False, "2 of 2 tasks running")
        assert result["deployment"]["id"] == "ecs-svc/1" and result["stopped_tasks"] == []


def test_nothing_is_sent_if_nothing_differs(ecs, run):
    ecs.shows(service(tags=[{"key": "a", "value": "1"}, {"key": "aws:x", "value": "y"}]))
    ecs.defines()
    result = result_of(
        run, task_definition_document=DOCUMENT, desired_count=1, tags={"a": "1"}, purge_tags=True, diff=True
    )
    assert not result["changed"] and result["diff"]["before"] == result["diff"]["after"]
    assert not result["registered"] and result["task_definition_arn"] == WEB1


@pytest.mark.parametrize("check", [True, False])
def test_only_what_differs_is_sent(ecs, run, check):
    ecs.shows(service(tags=[{"key": "a", "value": "1"}]))
    if not check:
        ecs.updates(service(desired=3, running=1), desiredCount=3)
        arn = {"resourceArn": f"{ARN}:service/edge/web"}
        ecs.stubber.add_response("untag_resource", {}, {**arn, "tagKeys": ["a"]})
        ecs.stubber.add_response("tag_resource", {}, {**arn, "tags": [{"key": "b", "value": "2"}]})
        ecs.stopped()
    result = result_of(run, desired_count=3, tags={"b": "2"}, purge_tags=True, check=check, diff=True)
    assert result["changed"] and result["diff"]["before"]["desired_count"] == 1
    assert result["diff"]["after"]["desired_count"] == 3 and result["service"]["tags"] == {"b": "2"}
    assert result.get("unfinished", True)


def test_a_definition_in_use_is_not_asked_for_even_if_it_was_deregistered(ecs, run):
    for given in ("web:1", WEB1):
        ecs.shows(service())
        assert not result_of(run, task_definition=given)["changed"]


@pytest.mark.parametrize("check", [True, False])
def test_another_document_is_a_new_revision_and_a_deployment(ecs, run, check):
    ecs.shows(service())
    ecs.defines(containerDefinitions=[])
    if not check:
        ecs.stubber.add_response(
            "register_task_definition",
            {"taskDefinition": {**DEFINITION, "taskDefinitionArn": WEB2}},
            {**DOCUMENT, "requiresCompatibilities": ["EXTERNAL"]},
        )
        new = service(deployment(2, "IN_PROGRESS"), deployment(1, status="ACTIVE", runningCount=1), running=2)
        ecs.updates(new, taskDefinition=WEB2)
        ecs.stopped()
    result = result_of(run, task_definition_document=DOCUMENT, check=check, diff=True)
    assert result["changed"] and result["registered"]
    assert result["diff"]["after"]["task_definition"] == ("web:(new)" if check else WEB2)
    if not check:
        assert result["unfinished"] and result["deployment"]["id"] == "ecs-svc/2"
        assert "1 of the former deployment left" in result["progress"]


def test_a_deployment_is_forced_once_even_if_its_answer_is_lost(ecs, run):
    ecs.shows(service())
    ecs.breaks("update_service")
    ecs.shows(service(deployment(2, "IN_PROGRESS")))
    ecs.stopped()
    assert result_of(run, force_new_deployment=True)["deployment"]["id"] == "ecs-svc/2"


def test_and_again_if_it_did_not_arrive(ecs, run):
    ecs.shows(service())
    ecs.breaks("update_service")
    ecs.shows(service())
    ecs.updates(service(deployment(2)), forceNewDeployment=True)
    assert not result_of(run, force_new_deployment=True)["unfinished"]


def test_forcing_is_foreseen(ecs, run):
    ecs.shows(service())
    assert result_of(run, force_new_deployment=True, check=True)["changed"]


def test_what_lacks_tasks_for_its_own_reasons_is_not_waited_for(ecs, run):
    ecs.shows(service(running=0))
    result = result_of(run)
    assert not result["changed"] and not result["unfinished"] and result["progress"] == "0 of 1 tasks running"


def test_a_deployment_in_progress_is_with_what_stopped(ecs, run):
    ecs.shows(
        service(
            deployment(rollout="IN_PROGRESS", failedTasks=1),
            running=0,
            events=[{"id": "e", "message": "(service web) was unable to place a task."}],
        )
    )
    others = [task(1, stop_code="ServiceSchedulerInitiated"), task(2, startedBy="ecs-svc/0")]
    ecs.stopped(*others, task(3), task(4, code=0))
    ecs.explains()
    result = result_of(run)
    assert result["unfinished"] and result["events"] == ["was unable to place a task."]
    (one, two) = sorted(result["stopped_tasks"], key=lambda t: t["task_arn"])
    assert one["managed_instance_id"] == "mi-1" and "exit code 3" in one["msg"]
    assert two["failed"] and two["msg"] == "The task ended: Essential container in task exited."


@pytest.mark.parametrize("wait", [True, False])
def test_a_failed_deployment_fails_if_it_is_waited_for(ecs, run, wait):
    ecs.shows(service(deployment(rollout="FAILED", rolloutStateReason="tasks failed to start."), running=0))
    ecs.stopped(task(1))
    ecs.explains()
    result = result_of(run, wait=wait)
    assert result.get("failed", False) == wait and result["unfinished"] is False
    if wait:
        assert "failed (region eu-west-1, cluster edge, service web): tasks failed to start. mi-1: " in result["msg"]


def test_a_look_changes_nothing(ecs, run):
    ecs.shows(service(deployment(2, "COMPLETED")))
    ecs.stopped()
    result = result_of(run, deployment="ecs-svc/1", desired_count=7, task_definition="web", wait=False)
    assert result["failed"] and not result["changed"] and "another deployment took its place" in result["msg"]
    ecs.shows()
    assert "no service of that name" in result_of(run, deployment="ecs-svc/1")["msg"]


@pytest.mark.parametrize("check", [True, False])
def test_it_is_deleted(ecs, run, check):
    ecs.shows(service())
    if not check:
        ecs.stubber.add_response("delete_service", {}, {"cluster": "edge", "service": "web", "force": True})
        ecs.shows(service(status="DRAINING"))
    result = result_of(run, state="absent", check=check, diff=True)
    assert result["changed"] and result["diff"]["after"] == {} and result["diff"]["before"]["desired_count"] == 1
    if not check:
        assert result["unfinished"] and result["progress"] == "1 task to end" and result["deployment"] == {}


@pytest.mark.parametrize(
    ("found", "unfinished"),
    [((), False), ((service(status="INACTIVE"),), False), ((service(status="DRAINING"),), True)],
)
def test_what_is_gone_or_going_is_left_alone(ecs, run, found, unfinished):
    ecs.shows(*found)
    result = result_of(run, state="absent")
    assert not result["changed"] and result["unfinished"] == unfinished


def test_a_former_one_is_waited_for(ecs, run):
    ecs.shows(service(status="DRAINING", running=2))
    result = result_of(run, task_definition="web")
    assert result["unfinished"] and not result["changed"] and "has 2 tasks to end" in result["progress"]
    ecs.shows(service(status="DRAINING", running=2))
    assert "cannot be created yet" in result_of(run, task_definition="web", wait=False)["msg"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"name": "a b"}, "1 to 255 letters"),
        ({"cluster": ""}, "cluster must not be empty"),
        ({"desired_count": -1}, "cannot be less"),
        ({"state": "absent", "deployment": "x"}, "of no use with state=absent"),
        ({"placement_constraints": [{"type": "memberOf"}]}, "memberOf needs an expression"),
        ({"tags": {"aws:x": "y"}}, "begins with aws:"),
        ({"task_definition_document": {}}, "no family"),
        ({"task_definition": "a", "task_definition_document": DOCUMENT}, "mutually exclusive"),
    ],
)
def test_bad_input_calls_nothing(stub, run, args, words):
    result = result_of(run, **args)
    assert result["failed"] and words in result["msg"]


def test_what_cannot_be(ecs, run):
    ecs.shows()
    assert "to create it task_definition or" in result_of(run)["msg"]
    ecs.shows(service(launchType="FARGATE"))
    assert "exists with launch type FARGATE" in result_of(run, desired_count=2)["msg"]
    ecs.shows()
    ecs.breaks("describe_task_definition", "ClientException", 400, "Unable to describe task definition.")
    assert "task definition web does not exist" in result_of(run, task_definition="web")["msg"]
    ecs.shows()
    ecs.defines()
    ecs.breaks("create_service", "InvalidParameterException", 400, "Creation of service was not idempotent.")
    assert "somebody else created a service of that name" in result_of(run, task_definition="web")["msg"]
