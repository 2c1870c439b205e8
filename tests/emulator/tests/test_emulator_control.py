# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The control endpoint: call log, faults, clock, settings, seed, reset."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from agent_client import Node
from agent_client import hang_up
from agent_client import hear
from botocore.exceptions import ConnectionClosedError
from botocore.exceptions import EndpointConnectionError
from botocore.exceptions import HTTPClientError
from emulator_process import Emulator
from emulator_world import eventually
from emulator_world import fails

OPERATOR = "arn:aws:iam::123456789012:user/operator"
DROPPED = (ConnectionClosedError, EndpointConnectionError, HTTPClientError)


def test_the_log_tells_who_did_what(emulator: Emulator, ssm: Any, server: Node) -> None:
    with fails("InvalidInstanceId"):
        ssm.deregister_managed_instance(InstanceId="mi-" + "0" * 17)
    calls = emulator.calls()
    assert [c["n"] for c in calls] == list(range(calls[0]["n"], calls[0]["n"] + len(calls)))
    (made,) = emulator.calls(operation="CreateActivation")
    assert set(made) == {"n", "time", "principal", "service", "operation", "status", "error", "region"}
    assert (made["principal"], made["service"], made["status"]) == (OPERATOR, "ssm", 200)
    assert (made["error"], made["region"]) == (None, "eu-west-1")
    (registered,) = emulator.calls(operation="RegisterManagedInstance")
    assert registered["principal"] == "anonymous" and registered["instance_id"] == server.node_id
    (activation,) = ssm.describe_activations()["ActivationList"]
    assert registered["activation_id"] == activation["ActivationId"]
    node = f"arn:aws:sts::123456789012:assumed-role/ecsAnywhereRole/{server.node_id}"
    assert [c["operation"] for c in emulator.calls(principal=node, service="ecs")] == ["RegisterContainerInstance"]
    (failed,) = emulator.calls(operation="Deregister*")
    assert (failed["status"], failed["error"]) == (400, "InvalidInstanceId")
    assert emulator.calls(after=calls[-1]["n"], operation="CreateActivation") == []
    lines = (Path(emulator.directory) / "state" / "calls.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["operation"] == "DescribeActivations"
    emulator.control("DELETE", "calls")
    assert emulator.calls() == []


def test_no_secret_is_logged(emulator: Emulator, ssm: Any, role: str) -> None:
    activation = ssm.create_activation(IamRole=role)
    node = Node(emulator.http_port)
    node.register(activation)
    text = (Path(emulator.directory) / "state" / "calls.jsonl").read_text()
    assert activation["ActivationId"] in text and activation["ActivationCode"] not in text


def test_an_error_is_injected_so_often(emulator: Emulator, ssm: Any) -> None:
    fault = {"operation": "ssm:Describe*", "code": "ThrottlingException", "message": "Rate exceeded", "count": 2}
    emulator.control("POST", "faults", fault)
    for _ in range(2):
        with fails("ThrottlingException", "Rate exceeded", 400):
            ssm.describe_activations()
    ssm.describe_activations()
    assert [c["error"] for c in emulator.calls(operation="DescribeActivations")] == ["ThrottlingException"] * 2 + [None]
    assert emulator.control("GET", "faults")[0]["fired"] == 2
    emulator.control("DELETE", "faults")
    assert emulator.control("GET", "faults") == []


def test_a_fault_has_the_shape_of_its_protocol(emulator: Emulator, iam: Any) -> None:
    emulator.control("POST", "faults", {"operation": "iam:*", "code": "ServiceUnavailable", "status": 503})
    with fails("ServiceUnavailable", "injected", 503):
        iam.list_roles()


def test_a_fault_for_some(emulator: Emulator, ssm: Any, node: Node) -> None:
    emulator.control(
        "POST", "faults", {"operation": "ssm:*", "principal": "*/mi-*", "code": "InternalServerError", "status": 500}
    )
    ssm.describe_activations()
    with pytest.raises(Exception, match="500 InternalServerError"):
        node.ping()
    emulator.control("DELETE", "faults")
    emulator.control("POST", "faults", {"operation": "ssm:DescribeActivations", "code": "X", "share": 0.5})
    ssm.describe_activations()
    with fails("X"):
        ssm.describe_activations()


def test_a_delay(emulator: Emulator, ssm: Any) -> None:
    emulator.control("POST", "faults", {"operation": "ssm:DescribeActivations", "delay": 0.5})
    began = time.monotonic()
    ssm.describe_activations()
    assert time.monotonic() - began >= 0.5


def test_a_connection_dropped_before_and_after(emulator: Emulator, ssm: Any, role: str) -> None:
    emulator.control("POST", "faults", {"operation": "ssm:CreateActivation", "drop": "before", "count": 1})
    with pytest.raises(DROPPED):
        ssm.create_activation(IamRole=role)
    assert ssm.describe_activations()["ActivationList"] == []
    emulator.control("POST", "faults", {"operation": "ssm:CreateActivation", "drop": "after", "count": 1})
    with pytest.raises(DROPPED):
        ssm.create_activation(IamRole=role)
    assert len(ssm.describe_activations()["ActivationList"]) == 1
    assert [c["error"] for c in emulator.calls(operation="CreateActivation")] == ["ConnectionDropped"] * 2


@pytest.mark.parametrize(
    "fault",
    [{}, {"operation": "a:b"}, {"operation": "a:b", "drop": "sometimes"}, {"operation": "a:b", "code": "X", "share": 0},
     {"operation": "a:b", "code": "X", "nope": 1}, {"operation": "a:b", "code": "X", "status": 200}],
)  # fmt: skip
def test_a_wrong_fault_is_told(emulator: Emulator, fault: dict[str, Any]) -> None:
    with pytest.raises(RuntimeError, match="400"):
        emulator.control("POST", "faults", fault)


def test_wrong_control_requests_are_told(emulator: Emulator) -> None:
    for method, path, body in (("PUT", "settings", {"nope": 1}), ("POST", "clock", {}), ("POST", "seed", {"count": 1})):
        with pytest.raises(RuntimeError, match="400"):
            emulator.control(method, path, body)
    with pytest.raises(RuntimeError, match="404"):
        emulator.control("GET", "nope")


def test_a_thousand_instances(emulator: Emulator, ssm: Any, ecs: Any) -> None:
    began = time.monotonic()
    made = emulator.control(
        "POST", "seed", {"cluster": "fleet", "region": "eu-west-1", "count": 1000, "tags": {"a": "b"}}
    )
    arns = [m["container_instance_arn"] for m in made["instances"]]
    answer = ecs.describe_container_instances(cluster="fleet", containerInstances=arns[:100], include=["TAGS"])
    assert {(i["status"], i["agentConnected"]) for i in answer["containerInstances"]} == {("ACTIVE", True)}
    assert answer["containerInstances"][0]["tags"] == [{"key": "a", "value": "b"}]
    ids = [i["ec2InstanceId"] for i in answer["containerInstances"]]
    assert ids == [m["managed_instance_id"] for m in made["instances"][:100]]
    emulator.control("POST", "clock", {"advance": 86400})
    found = ssm.describe_instance_information(MaxResults=50, Filters=[{"Key": "tag:a", "Values": ["b"]}])
    assert {n["PingStatus"] for n in found["InstanceInformationList"]} == {"Online"}
    assert ecs.describe_clusters(clusters=["fleet"])["clusters"][0]["registeredContainerInstancesCount"] == 1000
    assert time.monotonic() - began < 10
    for arn in arns[:3]:
        ecs.deregister_container_instance(cluster="fleet", containerInstance=arn)
    assert ecs.describe_clusters(clusters=["fleet"])["clusters"][0]["registeredContainerInstancesCount"] == 997


def test_reset_forgets_everything(emulator: Emulator, ecs: Any, server: Node) -> None:
    acs = server.acs()
    hear(acs, "HeartbeatMessage")
    emulator.control("PUT", "settings", {"token_ttl": 5})
    emulator.control("POST", "clock", {"advance": 5})
    emulator.control("POST", "faults", {"operation": "x:y", "code": "Z"})
    emulator.control("POST", "reset")
    hang_up(acs)
    health = emulator.control("GET", "health")
    assert (health["clock_offset"], health["settings"]["token_ttl"]) == (0, 3600)
    assert emulator.control("GET", "faults") == [] and emulator.calls() == []
    assert ecs.list_clusters()["clusterArns"] == []
    assert [u["UserName"] for u in emulator.client("iam").list_users()["Users"]] == ["operator"]
    eventually(lambda: emulator.control("GET", "health")["connections"] == {"acs": 0, "tcs": 0, "control": 0})


def test_unknown_requests_are_answered_in_order(emulator: Emulator) -> None:
    for target in ("AmazonSSM.Nope", "NoService.Nope"):
        request = urllib.request.Request(
            emulator.url, b"{}", {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1"}
        )
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=10)
        assert caught.value.code == 400 and b"<html" not in caught.value.read()


def test_codes_and_nodes_can_be_looked_up(emulator: Emulator, ssm: Any, role: str) -> None:
    activation = ssm.create_activation(IamRole=role)
    node = Node(emulator.http_port)
    node.register(activation)
    ssm.delete_activation(ActivationId=activation["ActivationId"])
    codes = emulator.control("GET", "activation-codes")
    assert codes == [{"activation_id": activation["ActivationId"], "code": activation["ActivationCode"]}]
    (shown,) = emulator.control("GET", "managed-nodes")
    assert shown == {
        "managed_instance_id": node.node_id,
        "activation_id": activation["ActivationId"],
        "fingerprint": node.fingerprint,
    }
