# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The whole way of one server: register, token, ping, container instance, ACS."""

from __future__ import annotations

from typing import Any

from agent_client import CAPABILITIES
from agent_client import Node
from agent_client import hang_up
from agent_client import hear
from emulator_process import Emulator
from emulator_world import eventually


def test_a_server_becomes_online_and_connected(emulator: Emulator, ssm: Any, ecs: Any, role: str) -> None:
    activation = ssm.create_activation(IamRole=role, DefaultInstanceName="edge-1", Tags=[{"Key": "run", "Value": "7"}])
    node = Node(emulator.http_port)
    assert node.register(activation).startswith("mi-") and len(node.node_id) == 20
    token = node.request_token()
    assert token["UpdateKeyPair"] is False and isinstance(token["TokenExpirationDate"], float)
    assert node.ping() == {}

    (found,) = ssm.describe_instance_information()["InstanceInformationList"]
    assert (found["InstanceId"], found["PingStatus"], found["Name"]) == (node.node_id, "Online", "edge-1")
    assert (found["IamRole"], found["ActivationId"]) == (role, activation["ActivationId"])
    assert (found["ComputerName"], found["ResourceType"]) == ("server-1", "ManagedInstance")
    tags = ssm.list_tags_for_resource(ResourceType="ManagedInstance", ResourceId=node.node_id)["TagList"]
    assert tags == [{"Key": "run", "Value": "7"}]

    ecs.create_cluster(clusterName="edge")
    instance = node.register_instance("edge", attributes=[*CAPABILITIES, {"name": "rack", "value": "4"}])
    assert {"name": "rack", "value": "4"} in instance["attributes"]
    assert all(a in instance["attributes"] for a in CAPABILITIES)
    assert instance["ec2InstanceId"] == node.node_id
    arns = ecs.list_container_instances(cluster="edge")["containerInstanceArns"]
    assert arns == [node.instance_arn]

    def describe() -> dict[str, Any]:
        return ecs.describe_container_instances(cluster="edge", containerInstances=arns)["containerInstances"][0]

    assert describe()["agentConnected"] is False

    endpoints = node.ecs("DiscoverPollEndpoint", cluster="edge", containerInstance=node.instance_arn, zoneId="")
    assert endpoints == {"endpoint": emulator.url, "telemetryEndpoint": emulator.url}
    acs = node.acs()
    try:
        assert hear(acs, "HeartbeatMessage")["healthy"] is True
        shown = describe()
        assert (shown["agentConnected"], shown["status"]) == (True, "ACTIVE")
        assert shown["versionInfo"] == {
            "agentVersion": "1.105.1",
            "agentHash": "8dfceca6",
            "dockerVersion": "DockerVersion: 20.10.24",
        }
    finally:
        hang_up(acs)
    eventually(lambda: describe()["agentConnected"] is False)
