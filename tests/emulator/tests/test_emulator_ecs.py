# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Clusters and container instances of external servers through boto3."""

from __future__ import annotations

import json
from typing import Any

import pytest
from agent_client import CAPABILITIES
from agent_client import RESOURCES
from agent_client import Node
from agent_client import WireError
from agent_client import hang_up
from agent_client import hear
from emulator_process import Emulator
from emulator_world import eventually
from emulator_world import fails
from emulator_world import make_node
from emulator_world import pages


def instance(ecs: Any, node: Node, *include: str) -> dict[str, Any]:
    answer = ecs.describe_container_instances(
        cluster=node.cluster, containerInstances=[node.instance_arn], include=list(include)
    )
    return answer["containerInstances"][0]


def listed(ecs: Any, **sent: Any) -> list[str]:
    return ecs.list_container_instances(cluster="edge", **sent)["containerInstanceArns"]


def seeded(emulator: Emulator, count: int, **more: Any) -> list[str]:
    spec = {"cluster": "edge", "region": "eu-west-1", "count": count, **more}
    return [m["container_instance_arn"] for m in emulator.control("POST", "seed", spec)["instances"]]


def test_clusters(ecs: Any) -> None:
    tags = [{"key": "a", "value": "1"}]
    arn = ecs.create_cluster(clusterName="edge", tags=tags)["cluster"]["clusterArn"]
    assert arn == "arn:aws:ecs:eu-west-1:123456789012:cluster/edge"
    ecs.create_cluster(clusterName="edge")
    assert ecs.list_tags_for_resource(resourceArn=arn)["tags"] == tags
    answer = ecs.describe_clusters(clusters=["edge", arn.replace("edge", "nope")])
    assert [(c["clusterName"], c["status"]) for c in answer["clusters"]] == [("edge", "ACTIVE")]
    assert [(f["reason"], f["arn"]) for f in answer["failures"]] == [("MISSING", arn.replace("edge", "nope"))]
    with fails("InvalidParameterException"):
        ecs.describe_clusters(clusters=[arn.replace("eu-west-1", "us-east-1")])
    ecs.create_cluster()
    assert [len(p) for p in pages(ecs.list_clusters, "clusterArns", "nextToken", maxResults=1)] == [1, 1]
    ecs.delete_cluster(cluster="edge")
    assert ecs.describe_clusters(clusters=["edge"])["clusters"][0]["status"] == "INACTIVE"
    assert len(ecs.list_clusters()["clusterArns"]) == 1
    with fails("ClusterNotFoundException"):
        ecs.list_container_instances(cluster="edge")


@pytest.mark.parametrize(
    ("operation", "sent"),
    [
        ("list_container_instances", {}),
        ("describe_container_instances", {"containerInstances": ["x"]}),
        ("update_container_instances_state", {"containerInstances": ["x"], "status": "DRAINING"}),
        ("deregister_container_instance", {"containerInstance": "x"}),
        ("list_tasks", {}),
        ("describe_tasks", {"tasks": ["x"]}),
        ("run_task", {"taskDefinition": "x"}),
        ("start_task", {"taskDefinition": "x", "containerInstances": ["x"]}),
        ("stop_task", {"task": "x"}),
        ("list_attributes", {"targetType": "container-instance"}),
        ("put_attributes", {"attributes": [{"name": "a", "value": "b", "targetId": "x"}]}),
        ("delete_attributes", {"attributes": [{"name": "a", "targetId": "x"}]}),
        ("delete_cluster", {}),
    ],
)
def test_an_unknown_cluster_is_told(ecs: Any, operation: str, sent: dict[str, Any]) -> None:
    with fails("ClusterNotFoundException", "Cluster not found."):
        getattr(ecs, operation)(cluster="nope", **sent)


def test_registering(ecs: Any, server: Node) -> None:
    shown = instance(ecs, server, "TAGS", "CONTAINER_INSTANCE_HEALTH")
    assert shown["ec2InstanceId"] == server.node_id
    assert [{k: a[k] for k in ("name", "value") if k in a} for a in shown["attributes"]] == CAPABILITIES
    assert [r["name"] for r in shown["registeredResources"]] == [r["name"] for r in RESOURCES]
    assert shown["remainingResources"] == shown["registeredResources"]
    assert (shown["runningTasksCount"], shown["pendingTasksCount"], shown["tags"]) == (0, 0, [])
    (cluster,) = ecs.describe_clusters(clusters=["edge"])["clusters"]
    assert cluster["registeredContainerInstancesCount"] == 1
    with fails("ClusterContainsContainerInstancesException"):
        ecs.delete_cluster(cluster="edge")


def test_the_cluster_must_exist_for_the_agent(node: Node) -> None:
    with pytest.raises(WireError, match="ClientException: Cluster not found"):
        node.register_instance("nope")


def test_only_a_managed_node_is_external(ecs: Any) -> None:
    ecs.create_cluster(clusterName="edge")
    with fails("ClientException", "identity document"):
        ecs.register_container_instance(cluster="edge", attributes=CAPABILITIES, totalResources=RESOURCES)


def test_registering_again_keeps_the_arn_and_custom_attributes(ecs: Any, node: Node) -> None:
    ecs.create_cluster(clusterName="edge")
    node.register_instance("edge", attributes=[*CAPABILITIES, {"name": "rack", "value": "4"}])
    arn = node.instance_arn
    again = node.register_instance("edge", containerInstanceArn=arn)
    assert again["containerInstanceArn"] == arn
    assert {"name": "rack", "value": "4"} in again["attributes"]
    assert node.register_instance("edge")["containerInstanceArn"] != arn
    assert len(listed(ecs, filter=f"ec2InstanceId == {node.node_id}")) == 2


def test_the_same_token_gives_the_same_instance(ecs: Any, node: Node) -> None:
    ecs.create_cluster(clusterName="edge")
    first = node.register_instance("edge", clientToken="t-1")["containerInstanceArn"]
    assert node.register_instance("edge", clientToken="t-1")["containerInstanceArn"] == first


def test_an_inactive_or_foreign_arn_is_refused(emulator: Emulator, ssm: Any, ecs: Any, server: Node, role: str) -> None:
    other = make_node(emulator, ssm, role)
    with pytest.raises(WireError, match="ClientException"):
        other.register_instance("edge", containerInstanceArn=server.instance_arn)
    ecs.deregister_container_instance(cluster="edge", containerInstance=server.instance_arn)
    with pytest.raises(WireError, match="ClientException"):
        server.register_instance("edge", containerInstanceArn=server.instance_arn)


def test_deregistering_leaves_an_inactive_record(ecs: Any, server: Node) -> None:
    arn = server.instance_arn
    gone = ecs.deregister_container_instance(cluster="edge", containerInstance=arn.split("/")[-1])["containerInstance"]
    assert (gone["containerInstanceArn"], gone["status"]) == (arn, "INACTIVE")
    assert instance(ecs, server)["status"] == "INACTIVE" and instance(ecs, server)["agentConnected"] is False
    assert listed(ecs) == []
    assert ecs.describe_clusters(clusters=["edge"])["clusters"][0]["registeredContainerInstancesCount"] == 0
    with fails("InvalidParameterException", "not found"):
        ecs.deregister_container_instance(cluster="edge", containerInstance=arn)
    with fails("InvalidParameterException"):
        ecs.list_tags_for_resource(resourceArn=arn)


def test_a_connected_agent_is_told_of_its_deregistration(ecs: Any, server: Node) -> None:
    acs = server.acs()
    try:
        hear(acs, "HeartbeatMessage")
        ecs.deregister_container_instance(cluster="edge", containerInstance=server.instance_arn)
        hear(acs, "InactiveInstanceException")
    finally:
        hang_up(acs)


def test_describing(emulator: Emulator, ecs: Any) -> None:
    arns = seeded(emulator, 101)
    missing = arns[0][:-4] + "zzzz"
    answer = ecs.describe_container_instances(
        cluster="edge", containerInstances=[arns[0], arns[1].split("/")[-1], missing]
    )
    assert [i["containerInstanceArn"] for i in answer["containerInstances"]] == arns[:2]
    assert answer["failures"] == [{"arn": missing, "reason": "MISSING"}]
    assert "tags" not in answer["containerInstances"][0]
    hundred = ecs.describe_container_instances(cluster="edge", containerInstances=arns[:100])
    assert len(hundred["containerInstances"]) == 100
    for wrong in (arns, []):
        with fails("InvalidParameterException"):
            ecs.describe_container_instances(cluster="edge", containerInstances=wrong)


def test_listing(emulator: Emulator, ecs: Any, server: Node) -> None:
    arns = seeded(emulator, 120, attributes={"rack": "4"})
    found = pages(ecs.list_container_instances, "containerInstanceArns", "nextToken", cluster="edge")
    assert [len(p) for p in found] == [100, 21]
    assert {a for p in found for a in p} == {server.instance_arn, *arns}
    assert len(listed(ecs, maxResults=7)) == 7
    for size in (0, 101):
        with fails("InvalidParameterException"):
            listed(ecs, maxResults=size)
    with fails("InvalidParameterException"):
        listed(ecs, nextToken="7")
    assert listed(ecs, filter="attribute:rack !exists") == [server.instance_arn]
    assert listed(ecs, filter="agentConnected == false") == [server.instance_arn]
    query = f"ec2InstanceId in [{server.node_id}, mi-0] and attribute:ecs.capability.external exists"
    assert listed(ecs, filter=query) == [server.instance_arn]
    with fails("InvalidParameterException", "filter"):
        listed(ecs, filter="nonsense")


def test_draining(emulator: Emulator, ecs: Any) -> None:
    arns = seeded(emulator, 11)
    missing = arns[0][:-4] + "zzzz"
    answer = ecs.update_container_instances_state(
        cluster="edge", containerInstances=[arns[0], missing], status="DRAINING"
    )
    assert [i["status"] for i in answer["containerInstances"]] == ["DRAINING"]
    assert answer["failures"] == [{"arn": missing, "reason": "MISSING"}]
    assert listed(ecs, status="DRAINING") == arns[:1]
    assert listed(ecs, status="ACTIVE") == arns[1:] and len(listed(ecs)) == 11
    ecs.update_container_instances_state(cluster="edge", containerInstances=[arns[0]], status="ACTIVE")
    assert listed(ecs, status="DRAINING") == []
    with fails("InvalidParameterException", "at most 10"):
        ecs.update_container_instances_state(cluster="edge", containerInstances=arns, status="DRAINING")
    with fails("InvalidParameterException"):
        ecs.update_container_instances_state(cluster="edge", containerInstances=arns[:1], status="INACTIVE")
    with fails("InvalidParameterException"):
        listed(ecs, status="INACTIVE")


def test_attributes(ecs: Any, server: Node) -> None:
    target = {"targetType": "container-instance", "targetId": server.instance_arn}
    shown = {"name": "rack", "value": "4", **target}
    assert ecs.put_attributes(cluster="edge", attributes=[shown])["attributes"] == [shown]
    ecs.put_attributes(cluster="edge", attributes=[{**shown, "value": "5"}])
    assert {"name": "rack", "value": "5"} in instance(ecs, server)["attributes"]
    found = ecs.list_attributes(cluster="edge", targetType="container-instance", attributeName="rack")["attributes"]
    assert found == [{**shown, "value": "5"}]
    everything = ecs.list_attributes(cluster="edge", targetType="container-instance", maxResults=100)["attributes"]
    assert len(everything) == len(CAPABILITIES) + 1
    ten = [{"name": f"a{n}", "value": "x", **target} for n in range(10)]
    with fails("AttributeLimitExceededException"):
        ecs.put_attributes(cluster="edge", attributes=ten)
    with fails("InvalidParameterException"):
        ecs.put_attributes(cluster="edge", attributes=[*ten, shown])
    with fails("TargetNotFoundException"):
        ecs.put_attributes(cluster="edge", attributes=[{"name": "a", "targetId": "nope"}])
    ecs.delete_attributes(cluster="edge", attributes=[{"name": "rack", "targetId": server.instance_arn.split("/")[-1]}])
    assert not ecs.list_attributes(cluster="edge", targetType="container-instance", attributeName="rack")["attributes"]


def test_tags(ecs: Any, node: Node) -> None:
    ecs.create_cluster(clusterName="edge")
    node.register_instance("edge", tags=[{"key": "site", "value": "north"}])
    ecs.tag_resource(resourceArn=node.instance_arn, tags=[{"key": "a", "value": "1"}, {"key": "b", "value": "2"}])
    ecs.untag_resource(resourceArn=node.instance_arn, tagKeys=["b"])
    tags = {t["key"]: t["value"] for t in ecs.list_tags_for_resource(resourceArn=node.instance_arn)["tags"]}
    assert tags == {"site": "north", "a": "1"}
    assert {t["key"] for t in instance(ecs, node, "TAGS")["tags"]} == {"site", "a"}


def test_the_agent_of_an_external_instance_is_not_updated_from_here(ecs: Any, server: Node) -> None:
    with fails("InvalidParameterException"):
        ecs.update_container_agent(cluster="edge", containerInstance=server.instance_arn)


def test_telemetry(emulator: Emulator, server: Node) -> None:
    tcs = server.tcs()
    try:
        hear(tcs, "HeartbeatMessage")
        tcs.send('Host: x\r\nX-Amz-Date: y\r\n\r\n{"type":"PublishMetricsRequest","message":{}}')
        hear(tcs, "AckPublishMetric")
        tcs.send('{"type":"PublishInstanceStatusRequest","message":{}}')
        hear(tcs, "AckPublishInstanceStatus")
        assert emulator.control("GET", "health")["connections"]["tcs"] == 1
    finally:
        hang_up(tcs)


def test_only_its_own_instance_is_a_nodes_to_poll(emulator: Emulator, ssm: Any, server: Node, role: str) -> None:
    other = make_node(emulator, ssm, role)
    other.instance_arn, other.cluster = server.instance_arn, "edge"
    with pytest.raises(Exception, match="400"):
        other.acs()
    server.instance_arn = server.instance_arn[:-4] + "zzzz"
    with pytest.raises(Exception, match="400"):
        server.acs()


DEFINITION = {
    "family": "web",
    "requiresCompatibilities": ["EXTERNAL"],
    "containerDefinitions": [
        {
            "name": "app",
            "image": "busybox",
            "cpu": 128,
            "memory": 64,
            "command": ["sleep", "60"],
            "environment": [{"name": "A", "value": "1"}],
            "portMappings": [{"containerPort": 80, "hostPort": 8080}],
        }
    ],
}


def test_a_task_lives_and_ends(ecs: Any, server: Node) -> None:
    definition = ecs.register_task_definition(**DEFINITION)["taskDefinition"]
    assert definition["networkMode"] == "bridge" and "EXTERNAL" in definition["compatibilities"]
    with fails("InvalidParameterException", "No Container Instances"):
        ecs.run_task(cluster="edge", taskDefinition="web")
    answer = ecs.run_task(cluster="edge", taskDefinition="web", launchType="EXTERNAL")
    assert answer["failures"] == [{"arn": server.instance_arn, "reason": "AGENT"}]
    acs = server.acs()
    try:
        eventually(lambda: instance(ecs, server)["agentConnected"])
        (task,) = ecs.run_task(
            cluster="edge",
            taskDefinition="web",
            launchType="EXTERNAL",
            startedBy="me",
            tags=[{"key": "t", "value": "1"}],
        )["tasks"]
        assert (task["launchType"], task["containerInstanceArn"]) == ("EXTERNAL", server.instance_arn)
        payload = hear(acs, "PayloadMessage")
        (order,) = payload["tasks"]
        assert (order["arn"], order["family"], order["version"]) == (task["taskArn"], "web", "1")
        assert order["desiredStatus"] == "RUNNING"
        (container,) = order["containers"]
        assert (container["name"], container["image"], container["memory"]) == ("app", "busybox", 64)
        assert (container["command"], container["environment"]) == (["sleep", "60"], {"A": "1"})
        assert container["portMappings"] == [{"containerPort": 80, "hostPort": 8080, "protocol": "tcp"}]
        ack = {"cluster": "edge", "containerInstance": server.instance_arn, "messageId": payload["messageId"]}
        acs.send(json.dumps({"type": "AckRequest", "message": ack}))

        def report(status: str, **more: Any) -> None:
            change = {"containerName": "app", "runtimeId": "abc", "status": status, **more}
            answer = server.ecs(
                "SubmitTaskStateChange",
                cluster="edge",
                task=task["taskArn"],
                status=status,
                containers=[change],
                reason="",
            )
            assert answer == {"acknowledgment": "ACK"}

        def shown() -> dict[str, Any]:
            return ecs.describe_tasks(cluster="edge", tasks=[task["taskArn"]], include=["TAGS"])["tasks"][0]

        report("RUNNING")
        assert (shown()["lastStatus"], shown()["containers"][0]["lastStatus"]) == ("RUNNING", "RUNNING")
        assert shown()["tags"] == [{"key": "t", "value": "1"}] and shown()["startedAt"]
        assert instance(ecs, server)["runningTasksCount"] == 1
        left = {r["name"]: r.get("integerValue") for r in instance(ecs, server)["remainingResources"]}
        assert (left["CPU"], left["MEMORY"]) == (2048 - 128, 2000 - 64)
        with fails("InvalidParameterException", "Found running tasks on the instance."):
            ecs.deregister_container_instance(cluster="edge", containerInstance=server.instance_arn)

        ecs.stop_task(cluster="edge", task=task["taskArn"], reason="enough")
        assert hear(acs, "PayloadMessage")["tasks"][0]["desiredStatus"] == "STOPPED"
        assert ecs.list_tasks(cluster="edge")["taskArns"] == []
        report("STOPPED", exitCode=137)
        report("RUNNING")  # a late report changes nothing
        assert (shown()["lastStatus"], shown()["stoppedReason"], shown()["stopCode"]) == (
            "STOPPED",
            "enough",
            "UserInitiated",
        )
        assert shown()["containers"][0]["exitCode"] == 137
        assert ecs.list_tasks(cluster="edge", desiredStatus="STOPPED")["taskArns"] == [task["taskArn"]]
        ecs.deregister_container_instance(cluster="edge", containerInstance=server.instance_arn)
    finally:
        hang_up(acs)


def test_tasks_wait_for_an_agent_that_is_away(ecs: Any, server: Node) -> None:
    ecs.register_task_definition(**DEFINITION)
    acs = server.acs()
    eventually(lambda: instance(ecs, server)["agentConnected"])
    answer = ecs.start_task(cluster="edge", taskDefinition="web", containerInstances=[server.instance_arn])
    (task,) = answer["tasks"]
    hang_up(acs)
    eventually(lambda: not instance(ecs, server)["agentConnected"])
    acs = server.acs()
    try:
        payload = hear(acs, "PayloadMessage")
        assert payload["tasks"][0]["arn"] == task["taskArn"]
        acs.send(json.dumps({"type": "AckRequest", "message": {"messageId": payload["messageId"]}}))
    finally:
        hang_up(acs)
    eventually(lambda: not instance(ecs, server)["agentConnected"])
    acs = server.acs()
    try:
        with pytest.raises(AssertionError, match="no PayloadMessage"):  # it has it
            hear(acs, "PayloadMessage", timeout=0.7)
    finally:
        hang_up(acs)


def test_placing(emulator: Emulator, ecs: Any) -> None:
    arns = seeded(emulator, 3)
    ecs.register_task_definition(**DEFINITION)
    tasks = ecs.run_task(cluster="edge", taskDefinition="web", launchType="EXTERNAL", count=6)["tasks"]
    assert sorted(t["containerInstanceArn"] for t in tasks) == sorted(arns * 2)
    assert len(ecs.list_tasks(cluster="edge", containerInstance=arns[0])["taskArns"]) == 2
    assert len(ecs.list_tasks(cluster="edge", family="web")["taskArns"]) == 6
    assert ecs.list_tasks(cluster="edge", family="other")["taskArns"] == []
    assert ecs.list_tasks(cluster="edge", startedBy="nobody")["taskArns"] == []
    assert ecs.list_tasks(cluster="edge", launchType="FARGATE")["taskArns"] == []
    found = pages(ecs.list_tasks, "taskArns", "nextToken", cluster="edge", maxResults=4)
    assert [len(p) for p in found] == [4, 2]
    missing = tasks[0]["taskArn"][:-4] + "zzzz"
    assert ecs.describe_tasks(cluster="edge", tasks=[missing])["failures"] == [{"arn": missing, "reason": "MISSING"}]
    big = {**DEFINITION, "family": "big", "containerDefinitions": [{"name": "b", "image": "b", "memory": 99999}]}
    ecs.register_task_definition(**big)
    failed = ecs.run_task(cluster="edge", taskDefinition="big", launchType="EXTERNAL")["failures"]
    assert {f["reason"] for f in failed} == {"RESOURCE:MEMORY"}
    with fails("InvalidParameterException"):
        ecs.run_task(cluster="edge", taskDefinition="web", launchType="EXTERNAL", count=11)
    missing = arns[0][:-4] + "zzzz"
    failed = ecs.start_task(cluster="edge", taskDefinition="web", containerInstances=[missing])["failures"]
    assert failed == [{"arn": missing, "reason": "MISSING"}]
    ended = ecs.deregister_container_instance(cluster="edge", containerInstance=arns[0], force=True)
    assert ended["containerInstance"]["status"] == "INACTIVE"
    assert len(ecs.list_tasks(cluster="edge")["taskArns"]) == 4
    with fails("ClientException"):
        ecs.register_task_definition(**{**DEFINITION, "networkMode": "awsvpc"})


def test_the_other_reports_of_the_agent(ecs: Any, server: Node) -> None:
    ecs.register_task_definition(**DEFINITION)
    acs = server.acs()
    try:
        eventually(lambda: instance(ecs, server)["agentConnected"])
        (task,) = ecs.run_task(cluster="edge", taskDefinition="web", launchType="EXTERNAL")["tasks"]
        sent = {"cluster": "edge", "task": task["taskArn"], "containerName": "app", "status": "RUNNING"}
        assert server.ecs("SubmitContainerStateChange", **sent) == {"acknowledgment": "ACK"}
        answer = server.ecs("SubmitAttachmentStateChanges", cluster="edge", attachments=[])
        assert answer == {"acknowledgment": "ACK"}
        shown = ecs.describe_tasks(cluster="edge", tasks=[task["taskArn"]])["tasks"][0]
        assert shown["containers"][0]["lastStatus"] == "RUNNING"
        assert server.ecs("ListTagsForResource", resourceArn=task["taskArn"]) == {"tags": []}
    finally:
        hang_up(acs)


def test_seeded_instances_run_and_end_tasks_by_themselves(emulator: Emulator, ecs: Any) -> None:
    (arn,) = seeded(emulator, 1)
    ecs.register_task_definition(**DEFINITION)

    def counts() -> tuple[int, int]:
        (shown,) = ecs.describe_container_instances(cluster="edge", containerInstances=[arn])["containerInstances"]
        return shown["runningTasksCount"], shown["pendingTasksCount"]

    (alone,) = ecs.run_task(cluster="edge", taskDefinition="web", launchType="EXTERNAL")["tasks"]
    ecs.run_task(cluster="edge", taskDefinition="web", launchType="EXTERNAL", group="service:web")
    assert counts() == (2, 0)
    emulator.control("PUT", "settings", {"task_stop_seconds": 60})
    ecs.update_container_instances_state(cluster="edge", containerInstances=[arn], status="DRAINING")
    assert counts() == (2, 0)
    emulator.control("POST", "clock", {"advance": 61})
    assert counts() == (1, 0)  # the scheduler ends nothing but its own
    assert ecs.list_tasks(cluster="edge")["taskArns"] == [alone["taskArn"]]
    ecs.stop_task(cluster="edge", task=alone["taskArn"])
    emulator.control("POST", "clock", {"advance": 61})
    assert counts() == (0, 0)


def test_dead_instances_can_be_seeded(emulator: Emulator, ecs: Any, ssm: Any) -> None:
    (arn,) = seeded(emulator, 1, connected=False)
    (shown,) = ecs.describe_container_instances(cluster="edge", containerInstances=[arn])["containerInstances"]
    assert shown["agentConnected"] is False
    emulator.control("POST", "clock", {"advance": 3600})
    (node,) = ssm.describe_instance_information()["InstanceInformationList"]
    assert node["PingStatus"] == "ConnectionLost"
