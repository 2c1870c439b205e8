# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Managed nodes: tokens, pings, and what operators see of them."""

from __future__ import annotations

from typing import Any

import pytest
from agent_client import Node
from agent_client import WireError
from agent_client import hang_up
from agent_client import public_key
from cryptography.hazmat.primitives.asymmetric import rsa
from emulator_process import Emulator
from emulator_world import eventually
from emulator_world import fails
from emulator_world import make_node
from emulator_world import make_role
from emulator_world import pages


def identity(emulator: Emulator, node: Node) -> str:
    token = node.token
    sts = emulator.client(
        "sts", key=token["AccessKeyId"], secret=token["SecretAccessKey"], aws_session_token=token["SessionToken"]
    )
    return sts.get_caller_identity()["Arn"]


def listed(ssm: Any, **sent: Any) -> list[str]:
    return [n["InstanceId"] for n in ssm.describe_instance_information(**sent)["InstanceInformationList"]]


def test_the_token_is_of_the_role(emulator: Emulator, node: Node, role: str) -> None:
    assert identity(emulator, node) == f"arn:aws:sts::123456789012:assumed-role/{role}/{node.node_id}"


def test_a_token_needs_the_right_key_and_fingerprint(emulator: Emulator, node: Node) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with pytest.raises(WireError, match="InvalidSignatureException"):
        node.request_token(key=other)
    with pytest.raises(WireError, match="MachineFingerprintDoesNotMatch"):
        node.request_token(fingerprint="other")
    node.request_token()
    node.node_id = "mi-" + "0" * 17
    with pytest.raises(WireError, match="AccessDeniedException"):
        node.request_token()


def test_a_changed_body_breaks_the_signature(emulator: Emulator, node: Node) -> None:
    headers: dict[str, str] = {}
    send = node.send

    def keep(sent: dict[str, str], body: bytes, path: str = "/", chunked: bool = False) -> tuple[int, bytes]:
        headers.update(sent)
        return send(sent, body, path, chunked)

    node.send = keep  # type: ignore[method-assign]
    node.request_token()
    status, body = send(headers, b'{"Fingerprint":"other"}', "/", True)
    assert status == 400 and b"InvalidSignatureException" in body


def test_a_token_ends(emulator: Emulator, node: Node) -> None:
    emulator.control("POST", "clock", {"advance": 3601})
    with pytest.raises(WireError, match="ExpiredTokenException"):
        node.ping()
    node.request_token()
    node.ping()
    emulator.control("PUT", "settings", {"token_ttl": 60})
    before = node.token["TokenExpirationDate"]
    assert node.request_token()["TokenExpirationDate"] < before


def test_old_tokens_are_forgotten_in_the_end(emulator: Emulator, node: Node) -> None:
    old = node.token
    for age, code in ((3601, "ExpiredTokenException"), (7200, "UnrecognizedClientException")):
        emulator.control("POST", "clock", {"advance": age})
        node.request_token()
        node.token = old
        with pytest.raises(WireError, match=code):
            node.ping()


def test_a_new_key_takes_the_place_of_the_old(emulator: Emulator, node: Node) -> None:
    emulator.control("PUT", "settings", {"key_rotation": True})
    assert node.request_token()["UpdateKeyPair"] is True
    new = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    node.signed_by_key("UpdateManagedInstancePublicKey", {"NewPublicKey": public_key(new), "NewPublicKeyType": "Rsa"})
    with pytest.raises(WireError, match="InvalidSignatureException"):
        node.request_token()
    node.key = new
    node.request_token()


def test_ping_and_its_age(emulator: Emulator, ssm: Any, node: Node) -> None:
    (shown,) = ssm.describe_instance_information()["InstanceInformationList"]
    assert shown["PingStatus"] == "ConnectionLost"
    node.ping()
    (shown,) = ssm.describe_instance_information()["InstanceInformationList"]
    assert (shown["PingStatus"], shown["AgentVersion"], shown["PlatformName"]) == (
        "Online",
        "3.3.4108.0",
        "Debian GNU/Linux",
    )
    assert (shown["IPAddress"], shown["PlatformType"], shown["PlatformVersion"]) == ("192.0.2.10", "Linux", "12")
    emulator.control("POST", "clock", {"advance": 1000})
    (later,) = ssm.describe_instance_information()["InstanceInformationList"]
    assert (later["PingStatus"], later["LastPingDateTime"]) == ("ConnectionLost", shown["LastPingDateTime"])
    node.ping()
    assert listed(ssm, Filters=[{"Key": "PingStatus", "Values": ["Online"]}]) == [node.node_id]


def test_a_node_reports_only_for_itself(emulator: Emulator, ssm: Any, node: Node, role: str) -> None:
    other = make_node(emulator, ssm, role)
    with pytest.raises(WireError, match="AccessDeniedException"):
        node.ssm("UpdateInstanceInformation", InstanceId=other.node_id, AgentVersion="1")


def test_a_deregistered_node(ssm: Any, node: Node) -> None:
    ssm.deregister_managed_instance(InstanceId=node.node_id)
    assert listed(ssm) == []
    with pytest.raises(WireError, match="InvalidInstanceId"):
        node.ping()
    with pytest.raises(WireError, match="AccessDeniedException"):
        node.request_token()
    with fails("InvalidInstanceId"):
        ssm.deregister_managed_instance(InstanceId=node.node_id)
    with fails("ValidationException", "regular expression"):
        ssm.deregister_managed_instance(InstanceId="mi-0123456789ABCDEF0")


def test_the_role_of_a_node_changes_with_the_next_token(emulator: Emulator, ssm: Any, iam: Any, node: Node) -> None:
    other = make_role(iam, "other")
    ssm.update_managed_instance_role(InstanceId=node.node_id, IamRole=other)
    assert ssm.describe_instance_information()["InstanceInformationList"][0]["IamRole"] == other
    assert "/ecsAnywhereRole/" in identity(emulator, node)
    node.request_token()
    assert "/other/" in identity(emulator, node)
    with fails("ValidationException", "Nonexistent role"):
        ssm.update_managed_instance_role(InstanceId=node.node_id, IamRole="nope")
    with fails("InvalidInstanceId"):
        ssm.update_managed_instance_role(InstanceId="mi-" + "0" * 17, IamRole=other)


def test_no_token_without_the_role(iam: Any, node: Node, role: str) -> None:
    for policy in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        iam.detach_role_policy(RoleName=role, PolicyArn=policy["PolicyArn"])
    iam.delete_role(RoleName=role)
    with pytest.raises(WireError, match="AccessDeniedException"):
        node.request_token()


def test_tags_of_a_node(ssm: Any, node: Node) -> None:
    where = {"ResourceType": "ManagedInstance", "ResourceId": node.node_id}
    ssm.add_tags_to_resource(**where, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    ssm.add_tags_to_resource(**where, Tags=[{"Key": "a", "Value": "3"}])
    ssm.remove_tags_from_resource(**where, TagKeys=["b", "none"])
    assert ssm.list_tags_for_resource(**where)["TagList"] == [{"Key": "a", "Value": "3"}]
    assert listed(ssm, Filters=[{"Key": "tag:a", "Values": ["3"]}]) == [node.node_id]
    assert listed(ssm, Filters=[{"Key": "tag:a", "Values": ["1"]}]) == []
    assert listed(ssm, Filters=[{"Key": "tag-key", "Values": ["a"]}]) == [node.node_id]
    with fails("TooManyTagsError"):
        ssm.add_tags_to_resource(**where, Tags=[{"Key": f"k{n}", "Value": ""} for n in range(50)])
    with fails("InvalidResourceId"):
        ssm.list_tags_for_resource(ResourceType="ManagedInstance", ResourceId="mi-" + "0" * 17)


def test_pages_and_filters_of_many(emulator: Emulator, ssm: Any) -> None:
    made = emulator.control("POST", "seed", {"cluster": "edge", "region": "eu-west-1", "count": 112})["instances"]
    ids = [m["managed_instance_id"] for m in made]
    assert [len(p) for p in pages(ssm.describe_instance_information, "InstanceInformationList")] == [10] * 11 + [2]
    found = pages(ssm.describe_instance_information, "InstanceInformationList", MaxResults=50)
    assert [len(p) for p in found] == [50, 50, 12]
    assert [n["InstanceId"] for p in found for n in p] == ids
    hundred = [{"Key": "InstanceIds", "Values": ids[:100]}]
    assert len(listed(ssm, Filters=hundred, MaxResults=50)) == 50
    unchecked = emulator.client("ssm", config={"parameter_validation": False})  # boto3 would not even send these
    for size in (4, 51):
        with fails("ValidationException", "failed to satisfy constraint"):
            unchecked.describe_instance_information(MaxResults=size)
    with fails("ValidationException", "less than or equal to 100"):
        ssm.describe_instance_information(Filters=[{"Key": "InstanceIds", "Values": ids[:101]}])
    with fails("InvalidInstanceId"):
        ssm.describe_instance_information(Filters=[{"Key": "InstanceIds", "Values": [ids[0], "mi-" + "0" * 17]}])
    legacy = [{"key": "InstanceIds", "valueSet": ids[:2]}]
    assert listed(ssm, InstanceInformationFilterList=legacy) == ids[:2]
    with fails("InvalidInstanceInformationFilterValue"):
        ssm.describe_instance_information(InstanceInformationFilterList=legacy, Filters=hundred)
    with fails("InvalidFilterKey", "combined"):
        ssm.describe_instance_information(Filters=[*hundred, {"Key": "tag:a", "Values": ["1"]}])
    with fails("InvalidFilterKey"):
        ssm.describe_instance_information(Filters=[{"Key": "Nope", "Values": ["1"]}])
    assert listed(ssm, Filters=[{"Key": "ResourceType", "Values": ["EC2Instance"]}]) == []
    both = [{"Key": "ResourceType", "Values": ["ManagedInstance"]}, {"Key": "InstanceIds", "Values": ids[3:5]}]
    assert listed(ssm, Filters=both) == ids[3:5]
    activation = ssm.describe_instance_information()["InstanceInformationList"][0]["ActivationId"]
    by_activation = [{"Key": "ActivationIds", "Values": [activation]}]
    assert len(listed(ssm, Filters=by_activation, MaxResults=50)) == 50


def test_the_control_channel(ssm: Any, node: Node) -> None:
    status, body = node.control_channel_post()
    assert status == 201 and b"<TokenValue>" in body and b"<MessageSchemaVersion>1.0<" in body
    state = lambda: ssm.get_connection_status(Target=node.node_id)["Status"]  # noqa: E731
    assert state() == "notconnected"
    channel = node.control_channel()
    try:
        channel.send('{"MessageSchemaVersion":"1.0"}')
        eventually(lambda: state() == "connected")
    finally:
        hang_up(channel)
    eventually(lambda: state() == "notconnected")


def test_the_message_service_polls_and_ends_empty(emulator: Emulator, node: Node) -> None:
    emulator.control("PUT", "settings", {"long_poll_seconds": 0.1})
    target = "EC2WindowsMessageDeliveryService.GetMessages"
    sent = {"Destination": node.node_id, "MessagesRequestId": "r-1", "VisibilityTimeoutInSeconds": 10}
    assert node.call("ec2messages", target, sent) == {"Destination": "", "Messages": [], "MessagesRequestId": "r-1"}
    with pytest.raises(WireError, match="AccessDeniedException"):
        node.call("ec2messages", target, {**sent, "Destination": "mi-" + "0" * 17})
    assert node.call("ec2messages", "EC2WindowsMessageDeliveryService.DeleteMessage", {"MessageId": "1"}) == {}


def test_no_associations(node: Node) -> None:
    assert node.ssm("ListInstanceAssociations", InstanceId=node.node_id, MaxResults=20) == {"Associations": []}


def test_the_tier_of_the_account(ssm: Any) -> None:
    name = "/ssm/managed-instance/activation-tier"
    arn = f"arn:aws:ssm:eu-west-1:123456789012:servicesetting{name}"
    shown = ssm.get_service_setting(SettingId=arn)["ServiceSetting"]
    assert (shown["SettingId"], shown["SettingValue"], shown["Status"]) == (name, "standard", "Default")
    ssm.update_service_setting(SettingId=arn, SettingValue="advanced")
    assert ssm.get_service_setting(SettingId=name)["ServiceSetting"]["SettingValue"] == "advanced"
    assert ssm.reset_service_setting(SettingId=arn)["ServiceSetting"]["SettingValue"] == "standard"
    with fails("ServiceSettingNotFound"):
        ssm.get_service_setting(SettingId="/ssm/nope")


def test_a_secure_string(ssm: Any) -> None:
    ssm.put_parameter(Name="/edge/code", Value="secret", Type="SecureString", KeyId="alias/mine")
    read = ssm.get_parameter(Name="/edge/code", WithDecryption=True)["Parameter"]
    assert (read["Value"], read["Type"]) == ("secret", "SecureString")
    assert ssm.get_parameter(Name="/edge/code")["Parameter"]["Value"] != "secret"
    ssm.put_parameter(Name="/edge/code", Value="new", Type="SecureString", Overwrite=True)
    ssm.delete_parameter(Name="/edge/code")
    with fails("ParameterNotFound"):
        ssm.get_parameter(Name="/edge/code")
