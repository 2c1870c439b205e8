# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Everything survives a restart, also a kill."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from agent_client import Node
from agent_client import hang_up
from agent_client import hear
from emulator_process import Emulator
from emulator_world import allow
from emulator_world import fails
from emulator_world import make_node
from emulator_world import make_role
from emulator_world import make_user


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Emulator]:
    emulator = Emulator(tmp_path, "--state", str(tmp_path / "state"), "--account", "210987654321")
    yield emulator.start()
    emulator.stop()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_restart_loses_nothing(own: Emulator, number: int) -> None:
    iam, ssm, ecs = own.client("iam", "us-east-1"), own.client("ssm"), own.client("ecs")
    role = make_role(iam)
    key, secret = make_user(iam, allow("ssm:Describe*"))
    iam.create_policy(PolicyName="mine", PolicyDocument=allow("a:b"))
    node = make_node(own, ssm, role, Tags=[{"Key": "a", "Value": "b"}], RegistrationLimit=2)
    ecs.create_cluster(clusterName="edge")
    node.register_instance("edge", attributes=[{"name": "rack", "value": "4"}])
    ecs.register_task_definition(family="web", containerDefinitions=[{"name": "a", "image": "b", "memory": 4}])
    ssm.put_parameter(Name="/edge/x", Value="secret", Type="SecureString", Tags=[{"Key": "t", "Value": "v"}])
    own.control("POST", "clock", {"advance": 100})
    own.control("PUT", "settings", {"ping_timeout": 500})
    own.control("POST", "faults", {"operation": "ssm:ListDocuments", "code": "X", "count": 3})
    node.ping()
    ca = (own.directory / "state" / "ca.pem").read_bytes()
    (activation,) = ssm.describe_activations()[
        "ActivationList"
    ]  # the last call; the ping before it may wait half a second
    before = len(own.calls())
    if number == signal.SIGTERM:
        acs = node.acs()
        hear(acs, "HeartbeatMessage")
        hang_up(acs)
    own.stop(number)
    own.start()

    assert (own.directory / "state" / "ca.pem").read_bytes() == ca
    assert ssm.describe_activations()["ActivationList"] == [activation] and activation["RegistrationsCount"] == 1
    (shown,) = ssm.describe_instance_information()["InstanceInformationList"]
    assert (shown["InstanceId"], shown["IamRole"]) == (node.node_id, role)
    node.ping()  # with the token of before
    node.request_token()
    tags = ssm.list_tags_for_resource(ResourceType="ManagedInstance", ResourceId=node.node_id)["TagList"]
    assert tags == [{"Key": "a", "Value": "b"}]
    (instance,) = ecs.describe_container_instances(cluster="edge", containerInstances=[node.instance_arn])[
        "containerInstances"
    ]
    assert (instance["ec2InstanceId"], instance["agentConnected"]) == (node.node_id, False)
    assert node.register_instance("edge", containerInstanceArn=node.instance_arn)["attributes"]
    assert ecs.list_task_definitions()["taskDefinitionArns"]
    assert ssm.get_parameter(Name="/edge/x", WithDecryption=True)["Parameter"]["Value"] == "secret"
    assert ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId="/edge/x")["TagList"]
    own.client("ssm", key=key, secret=secret).describe_activations()
    policy = iam.get_policy(PolicyArn="arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore")["Policy"]
    assert policy["AttachmentCount"] == 1
    iam.detach_role_policy(RoleName=role, PolicyArn=policy["Arn"])
    assert iam.get_policy(PolicyArn=policy["Arn"])["Policy"]["AttachmentCount"] == 0
    assert iam.list_policies(Scope="Local")["Policies"][0]["Arn"] == "arn:aws:iam::210987654321:policy/mine"
    health = own.control("GET", "health")
    assert (health["clock_offset"], health["settings"]["ping_timeout"]) == (100, 500)
    assert own.control("GET", "faults")[0]["count"] == 3
    calls = own.calls()
    assert len(calls) > before and [c["n"] for c in calls] == list(range(1, len(calls) + 1))


def test_without_a_state_nothing_is_kept(tmp_path: Path) -> None:
    emulator = Emulator(tmp_path).start()
    try:
        emulator.client("ecs").create_cluster(clusterName="edge")
        facts = json.loads((tmp_path / "ready").read_text())
        assert Path(facts["ca"]).exists() and facts["http_port"] == emulator.http_port
        emulator.stop()
        emulator.start()
        assert emulator.client("ecs").list_clusters()["clusterArns"] == []
    finally:
        emulator.stop()


def test_a_used_up_activation_stays_used_up(own: Emulator) -> None:
    ssm, role = own.client("ssm"), make_role(own.client("iam", "us-east-1"))
    activation: dict[str, Any] = ssm.create_activation(IamRole=role)
    Node(own.http_port).register(activation)
    own.stop(signal.SIGKILL)
    own.start()
    with pytest.raises(Exception, match="RegistrationLimitExceeded"):
        Node(own.http_port).register(activation)
    with fails("InvalidInstanceId"):
        ssm.deregister_managed_instance(InstanceId="mi-" + "0" * 17)
