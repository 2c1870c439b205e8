# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Services and one-off tasks on external instances through boto3."""

from __future__ import annotations

import json
from typing import Any

import pytest
from agent_client import Node
from agent_client import hang_up
from agent_client import hear
from emulator_process import Emulator
from emulator_world import eventually
from emulator_world import fails
from emulator_world import pages

ROLLING = {"maximumPercent": 200, "minimumHealthyPercent": 100}
BREAKER = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}


def definition(ecs: Any, family: str = "web", image: str = "busybox", **more: Any) -> str:
    container = {"name": "app", "image": image, "memory": 64, **more.pop("container", {})}
    sent = {"family": family, "requiresCompatibilities": ["EXTERNAL"], "containerDefinitions": [container], **more}
    return ecs.register_task_definition(**sent)["taskDefinition"]["taskDefinitionArn"]


def seeded(emulator: Emulator, count: int, **more: Any) -> list[str]:
    spec = {"cluster": "edge", "region": "eu-west-1", "count": count, **more}
    return [m["container_instance_arn"] for m in emulator.control("POST", "seed", spec)["instances"]]


def create(ecs: Any, count: int = 1, **more: Any) -> dict[str, Any]:
    sent = {"cluster": "edge", "serviceName": "web", "taskDefinition": "web", "launchType": "EXTERNAL", **more}
    return ecs.create_service(desiredCount=count, **sent)["service"]


def shown(ecs: Any, name: str = "web", *include: str) -> dict[str, Any]:
    return ecs.describe_services(cluster="edge", services=[name], include=list(include))["services"][0]


def where(ecs: Any, **more: Any) -> list[str]:
    arns = ecs.list_tasks(cluster="edge", serviceName="web", **more)["taskArns"]
    tasks = ecs.describe_tasks(cluster="edge", tasks=arns)["tasks"] if arns else []
    return sorted(t["containerInstanceArn"] for t in tasks)


def counts(service: dict[str, Any]) -> tuple[int, int, int]:
    return service["desiredCount"], service["runningCount"], service["pendingCount"]


def test_a_service_lives(emulator: Emulator, ecs: Any) -> None:
    arns = seeded(emulator, 2)
    first = definition(ecs)
    made = create(ecs, 2, tags=[{"key": "a", "value": "1"}], propagateTags="SERVICE", enableExecuteCommand=True)
    assert made["serviceArn"] == "arn:aws:ecs:eu-west-1:123456789012:service/edge/web"
    assert (made["launchType"], made["status"], made["schedulingStrategy"]) == ("EXTERNAL", "ACTIVE", "REPLICA")
    assert made["deploymentConfiguration"] == {
        **ROLLING,
        "deploymentCircuitBreaker": {"enable": False, "rollback": False},
    }
    service = shown(ecs, "web", "TAGS")
    assert counts(service) == (2, 2, 0) and service["tags"] == [{"key": "a", "value": "1"}]
    assert "tags" not in shown(ecs)
    (deployment,) = service["deployments"]
    assert (deployment["status"], deployment["rolloutState"], deployment["taskDefinition"]) == (
        "PRIMARY",
        "COMPLETED",
        first,
    )
    assert service["events"][0]["message"] == "(service web) has reached a steady state."
    assert where(ecs) == sorted(arns)
    (task, _) = ecs.describe_tasks(cluster="edge", tasks=ecs.list_tasks(cluster="edge")["taskArns"], include=["TAGS"])[
        "tasks"
    ]
    assert (task["group"], task["startedBy"]) == ("service:web", deployment["id"])
    assert task["tags"] == [{"key": "a", "value": "1"}] and task["enableExecuteCommand"] is True
    assert ecs.describe_clusters(clusters=["edge"])["clusters"][0]["activeServicesCount"] == 1

    ecs.tag_resource(resourceArn=made["serviceArn"], tags=[{"key": "b", "value": "2"}])
    ecs.untag_resource(resourceArn=made["serviceArn"], tagKeys=["a"])
    assert shown(ecs, "web", "TAGS")["tags"] == [{"key": "b", "value": "2"}]
    with fails("InvalidParameterException", "cannot be stopped while it is scaled above 0"):
        ecs.delete_service(cluster="edge", service="web")
    emulator.control("PUT", "settings", {"task_stop_seconds": 60})
    gone = ecs.delete_service(cluster="edge", service="web", force=True)["service"]
    assert (gone["status"], gone["runningCount"]) == ("DRAINING", 2)
    with fails("ServiceNotActiveException"):
        ecs.update_service(cluster="edge", service="web", desiredCount=1)
    with fails("InvalidParameterException", "still Draining"):
        create(ecs)
    emulator.control("POST", "clock", {"advance": 61})
    assert counts(shown(ecs)) == (0, 0, 0) and shown(ecs)["status"] == "INACTIVE"
    assert ecs.list_services(cluster="edge")["serviceArns"] == []
    with fails("ServiceNotFoundException"):
        ecs.delete_service(cluster="edge", service="web")
    assert create(ecs)["status"] == "ACTIVE"


def test_ended_tasks_are_replaced_and_a_count_is_kept(emulator: Emulator, ecs: Any) -> None:
    seeded(emulator, 2)
    definition(ecs)
    create(ecs, 3)
    assert counts(shown(ecs)) == (3, 3, 0)
    task = ecs.list_tasks(cluster="edge", serviceName="web")["taskArns"][0]
    ecs.stop_task(cluster="edge", task=task)
    emulator.control("POST", "clock", {"advance": 2})
    assert counts(shown(ecs)) == (3, 3, 0)
    assert task not in ecs.list_tasks(cluster="edge", serviceName="web")["taskArns"]
    deployment = shown(ecs)["deployments"][0]["id"]
    ecs.update_service(cluster="edge", service="web", desiredCount=1)
    assert counts(shown(ecs)) == (1, 1, 0)
    assert shown(ecs)["deployments"][0]["id"] == deployment
    ecs.update_service(cluster="edge", service="web", desiredCount=0)
    assert counts(shown(ecs)) == (0, 0, 0)
    ecs.delete_service(cluster="edge", service="web")


def test_constraints_decide_where(emulator: Emulator, ecs: Any) -> None:
    (north,) = seeded(emulator, 1, attributes={"hall": "north"})
    (south,) = seeded(emulator, 1, attributes={"hall": "south"})
    definition(ecs)
    create(ecs, 2, placementConstraints=[{"type": "memberOf", "expression": "attribute:hall == north"}])
    assert where(ecs) == [north, north]
    create(ecs, 3, serviceName="each", placementConstraints=[{"type": "distinctInstance"}])
    assert counts(shown(ecs, "each")) == (3, 2, 0)
    assert "unable to place a task" in shown(ecs, "each")["events"][0]["message"]
    assert shown(ecs, "each")["deployments"][0]["rolloutState"] == "IN_PROGRESS"
    answer = ecs.run_task(
        cluster="edge",
        taskDefinition="web",
        launchType="EXTERNAL",
        placementConstraints=[{"type": "memberOf", "expression": "attribute:hall == west"}],
    )
    assert answer["tasks"] == [] and {f["arn"] for f in answer["failures"]} == {north, south}
    assert {f["reason"] for f in answer["failures"]} == {"MemberOf placement constraint unsatisfied."}
    with fails("InvalidParameterException", "expression"):
        create(ecs, serviceName="bad", placementConstraints=[{"type": "memberOf", "expression": "nonsense"}])
    assert ecs.describe_services(cluster="edge", services=["bad"])["services"] == []


def test_a_draining_instance_gives_its_tasks_away(emulator: Emulator, ecs: Any) -> None:
    one, two = seeded(emulator, 2)
    definition(ecs)
    create(ecs, 2)
    assert where(ecs) == sorted([one, two])
    ecs.update_container_instances_state(cluster="edge", containerInstances=[one], status="DRAINING")
    emulator.control("POST", "clock", {"advance": 2})
    assert counts(shown(ecs)) == (2, 2, 0) and where(ecs) == [two, two]


def test_a_new_revision_is_rolled_out(emulator: Emulator, ecs: Any) -> None:
    seeded(emulator, 1)
    definition(ecs)
    create(ecs, 2)
    emulator.control("PUT", "settings", {"task_stop_seconds": 60})
    second = definition(ecs, image="nginx")
    ecs.update_service(cluster="edge", service="web", taskDefinition="web")
    service = shown(ecs)
    assert [(d["status"], d["rolloutState"]) for d in service["deployments"]] == [
        ("PRIMARY", "IN_PROGRESS"),
        ("ACTIVE", "COMPLETED"),
    ]
    assert service["taskDefinition"] == second and service["runningCount"] == 4
    emulator.control("POST", "clock", {"advance": 61})
    (deployment,) = shown(ecs)["deployments"]
    assert (deployment["rolloutState"], deployment["runningCount"], deployment["taskDefinition"]) == (
        "COMPLETED",
        2,
        second,
    )
    ecs.update_service(cluster="edge", service="web", forceNewDeployment=True)
    assert shown(ecs)["deployments"][0]["id"] != deployment["id"]


def test_never_more_than_the_maximum_percent(emulator: Emulator, ecs: Any) -> None:
    seeded(emulator, 1)
    definition(ecs)
    create(ecs, 2, deploymentConfiguration={"maximumPercent": 100, "minimumHealthyPercent": 50})
    assert shown(ecs)["runningCount"] == 2
    emulator.control("PUT", "settings", {"task_stop_seconds": 60})
    ecs.update_service(cluster="edge", service="web", forceNewDeployment=True)
    assert [d["runningCount"] for d in shown(ecs)["deployments"]] == [0, 2]
    emulator.control("POST", "clock", {"advance": 61})
    assert [d["runningCount"] for d in shown(ecs)["deployments"]] == [1, 1]
    emulator.control("POST", "clock", {"advance": 61})
    assert [d["runningCount"] for d in shown(ecs)["deployments"]] == [2]


def test_a_broken_image_trips_the_circuit_breaker_and_is_rolled_back(emulator: Emulator, ecs: Any) -> None:
    reason = "CannotPullContainerError: pull access denied for broken"
    seeded(emulator, 1, outcomes=[{"image": "broken*", "reason": reason}])
    first = definition(ecs)
    create(ecs, 1, deploymentConfiguration=BREAKER)
    assert shown(ecs)["runningCount"] == 1
    definition(ecs, image="broken:1")
    broken = ecs.update_service(cluster="edge", service="web", taskDefinition="web")["service"]["deployments"][0]

    def step() -> dict[str, Any]:
        emulator.control("POST", "clock", {"advance": 2})
        return shown(ecs)

    for number in (1, 2):
        assert [d["failedTasks"] for d in step()["deployments"] if d["id"] == broken["id"]] == [number]
    service = step()
    assert service["taskDefinition"] == first and service["deployments"][0]["id"] != broken["id"]
    assert any("rolling back to deployment" in e["message"] for e in service["events"])
    assert any(f"deployment {broken['id']}) deployment failed" in e["message"] for e in service["events"])
    assert [d["rolloutState"] for d in step()["deployments"]] == ["COMPLETED"]
    stopped = ecs.list_tasks(cluster="edge", serviceName="web", desiredStatus="STOPPED")["taskArns"]
    tasks = [t for t in ecs.describe_tasks(cluster="edge", tasks=stopped)["tasks"] if t["startedBy"] == broken["id"]]
    assert len(tasks) == 3
    assert (tasks[0]["stopCode"], tasks[0]["containers"][0]["reason"]) == ("TaskFailedToStart", reason)
    assert "exitCode" not in tasks[0]["containers"][0]


def test_without_rollback_a_failed_deployment_stays(emulator: Emulator, ecs: Any) -> None:
    seeded(emulator, 1, outcomes=[{"reason": "CannotPullContainerError: no"}])
    definition(ecs)
    create(ecs, 1, deploymentConfiguration={"deploymentCircuitBreaker": {"enable": True, "rollback": False}})
    for _ in range(5):
        emulator.control("POST", "clock", {"advance": 2})
        service = shown(ecs)
    (deployment,) = service["deployments"]
    assert (deployment["rolloutState"], deployment["failedTasks"]) == ("FAILED", 3)
    assert "circuit breaker" in deployment["rolloutStateReason"]
    assert where(ecs) == []


def test_real_agents_run_the_tasks_of_a_service(ecs: Any, server: Node) -> None:
    definition(ecs)
    assert counts(create(ecs)) == (1, 0, 0)  # nobody is connected
    acs = server.acs()
    try:
        order = hear(acs, "PayloadMessage")["tasks"][0]
        assert shown(ecs)["pendingCount"] == 1

        def report(task: str, status: str, **more: Any) -> None:
            change = {"containerName": "app", "runtimeId": "abc", "status": status, **more}
            server.ecs("SubmitTaskStateChange", cluster="edge", task=task, status=status, containers=[change])

        report(order["arn"], "RUNNING")
        assert counts(shown(ecs)) == (1, 1, 0)
        report(order["arn"], "STOPPED", exitCode=3)
        eventually(lambda: shown(ecs)["pendingCount"])
        again = hear(acs, "PayloadMessage")["tasks"][0]
        assert again["arn"] != order["arn"]
        report(again["arn"], "RUNNING")
        assert counts(shown(ecs)) == (1, 1, 0)
        ecs.update_service(cluster="edge", service="web", desiredCount=0)
        stop = hear(acs, "PayloadMessage")["tasks"][0]
        assert (stop["arn"], stop["desiredStatus"]) == (again["arn"], "STOPPED")
        report(again["arn"], "STOPPED", exitCode=137)
        assert counts(shown(ecs)) == (0, 0, 0)
    finally:
        hang_up(acs)


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"loadBalancers": [{"containerName": "app", "containerPort": 80}]}, "loadBalancers"),
        ({"serviceRegistries": [{"registryArn": "x"}]}, "serviceRegistries"),
        ({"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["x"]}}}, "networkConfiguration"),
        ({"schedulingStrategy": "DAEMON"}, "daemon"),
        ({"launchType": "FARGATE"}, "launchType must be EXTERNAL"),
        ({"taskDefinition": "ec2only"}, "does not support the EXTERNAL launch type"),
        ({"deploymentConfiguration": {"maximumPercent": 100, "minimumHealthyPercent": 100}}, "block deployments"),
        ({"deploymentConfiguration": {"maximumPercent": 50}}, "maximumPercent"),
        ({"placementConstraints": [{"type": "nonsense"}]}, "Placement constraint type|placementConstraints"),
        ({"serviceName": "no spaces"}, "Invalid service name"),
    ],
)
def test_what_an_external_service_can_not_be(ecs: Any, more: dict[str, Any], text: str) -> None:
    ecs.create_cluster(clusterName="edge")
    definition(ecs)
    definition(ecs, "ec2only", requiresCompatibilities=["EC2"])
    with pytest.raises(Exception, match=text):
        create(ecs, **more)
    assert ecs.list_services(cluster="edge")["serviceArns"] == []


def test_errors_of_services(ecs: Any) -> None:
    with fails("ClusterNotFoundException"):
        create(ecs)
    ecs.create_cluster(clusterName="edge")
    with fails("ClientException", "Unable to describe task definition"):
        create(ecs)
    definition(ecs)
    token = create(ecs, clientToken="t-1")["serviceArn"]
    assert create(ecs, clientToken="t-1")["serviceArn"] == token
    for more in ({}, {"clientToken": "t-2"}, {"clientToken": "t-1", "enableExecuteCommand": True}):
        with fails("InvalidParameterException", "not idempotent"):
            create(ecs, **more)
    with fails("ServiceNotFoundException"):
        ecs.update_service(cluster="edge", service="nope", desiredCount=1)
    missing = token.replace("/web", "/nope")
    answer = ecs.describe_services(cluster="edge", services=["web", "nope"])
    assert [s["serviceName"] for s in answer["services"]] == ["web"]
    assert answer["failures"] == [{"arn": missing, "reason": "MISSING"}]
    for names in ([], [f"s{n}" for n in range(11)]):
        with fails("InvalidParameterException"):
            ecs.describe_services(cluster="edge", services=names)
    with fails("ClusterContainsServicesException"):
        ecs.delete_cluster(cluster="edge")


def test_services_are_listed_by_pages_of_ten(ecs: Any) -> None:
    ecs.create_cluster(clusterName="edge")
    definition(ecs)
    for number in range(12):
        create(ecs, 0, serviceName=f"s{number}")
    found = pages(ecs.list_services, "serviceArns", "nextToken", cluster="edge")
    assert [len(p) for p in found] == [10, 2]
    assert len(ecs.list_services(cluster="edge", maxResults=100)["serviceArns"]) == 12
    assert ecs.list_services(cluster="edge", launchType="FARGATE")["serviceArns"] == []
    assert ecs.list_services(cluster="edge", schedulingStrategy="DAEMON")["serviceArns"] == []
    with fails("InvalidParameterException"):
        ecs.list_services(cluster="edge", maxResults=101)


def test_task_definitions_and_their_revisions(ecs: Any) -> None:
    first, second = definition(ecs), definition(ecs, image="nginx")
    assert (first[-5:], second[-5:]) == ("web:1", "web:2")

    def newest(**more: Any) -> dict[str, Any]:
        return ecs.describe_task_definition(taskDefinition="web", **more)["taskDefinition"]

    found = newest()
    assert (found["revision"], found["networkMode"], found["requiresCompatibilities"]) == (2, "bridge", ["EXTERNAL"])
    gone = ecs.deregister_task_definition(taskDefinition="web:2")["taskDefinition"]
    assert gone["status"] == "INACTIVE" and newest()["revision"] == 1
    assert ecs.describe_task_definition(taskDefinition=second)["taskDefinition"]["status"] == "INACTIVE"
    assert definition(ecs)[-5:] == "web:3"
    ecs.create_cluster(clusterName="edge")
    with fails("ClientException", "inactive"):
        create(ecs, taskDefinition="web:2")
    for unknown in ("nope", "web:9", "web:x"):
        with fails("ClientException", "Unable to describe task definition"):
            ecs.describe_task_definition(taskDefinition=unknown)


def test_a_client_token_runs_a_task_once(emulator: Emulator, ecs: Any) -> None:
    seeded(emulator, 1)
    definition(ecs)
    sent = {"cluster": "edge", "taskDefinition": "web", "launchType": "EXTERNAL", "clientToken": "t-1"}
    (one,) = ecs.run_task(**sent)["tasks"]
    (two,) = ecs.run_task(**sent)["tasks"]
    assert one["taskArn"] == two["taskArn"] and len(ecs.list_tasks(cluster="edge")["taskArns"]) == 1
    with fails("ConflictException"):
        ecs.run_task(**{**sent, "count": 2})


def test_outcomes_of_seeded_instances(emulator: Emulator, ecs: Any) -> None:
    (arn,) = seeded(
        emulator,
        1,
        outcomes=[
            {"command": "true"},
            {"command": "sh -c exit?3", "exit_code": 3, "after": 30},
            {"image": "private/*", "reason": "CannotPullContainerError: denied"},
        ],
    )
    definition(ecs, "job", container={"command": ["true"]})
    definition(ecs, "private", image="private/x")

    def start(family: str, *command: str) -> str:
        overrides = {"containerOverrides": [{"name": "app", "command": list(command)}]} if command else {}
        answer = ecs.start_task(cluster="edge", taskDefinition=family, containerInstances=[arn], overrides=overrides)
        return answer["tasks"][0]["taskArn"]

    def seen(task: str) -> tuple[Any, ...]:
        (found,) = ecs.describe_tasks(cluster="edge", tasks=[task])["tasks"]
        return found["lastStatus"], found.get("stopCode"), found["containers"][0].get("exitCode")

    good, bad, private, long = start("job"), start("job", "sh", "-c", "exit 3"), start("private"), start("job", "sleep")
    assert seen(good) == ("STOPPED", "EssentialContainerExited", 0)
    assert seen(bad) == ("RUNNING", None, None)
    assert seen(private) == ("STOPPED", "TaskFailedToStart", None)
    emulator.control("POST", "clock", {"advance": 31})
    assert seen(bad) == ("STOPPED", "EssentialContainerExited", 3)
    assert seen(long) == ("RUNNING", None, None)
    with pytest.raises(RuntimeError, match="unknown in outcomes: exit"):
        seeded(emulator, 1, outcomes=[{"exit": 1}])


def test_a_log_driver_that_the_agent_lacks(emulator: Emulator, ecs: Any) -> None:
    (arn,) = seeded(emulator, 1)
    definition(ecs, container={"logConfiguration": {"logDriver": "splunk"}})
    answer = ecs.start_task(cluster="edge", taskDefinition="web", containerInstances=[arn])
    assert answer["failures"] == [{"arn": arn, "reason": "ATTRIBUTE"}]


def test_services_survive_a_restart_of_the_emulator(emulator: Emulator, ecs: Any) -> None:
    seeded(emulator, 1)
    definition(ecs)
    create(ecs, 1)
    emulator.stop()
    emulator.start()
    assert json.loads(json.dumps(counts(shown(ecs)))) == [1, 1, 0]
