# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who may do what: signatures, users, node roles, boundaries. Messages name the missing action."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from agent_client import CAPABILITIES
from agent_client import Node
from agent_client import WireError
from agent_client import hang_up
from emulator_process import Emulator
from emulator_world import POLICIES
from emulator_world import allow
from emulator_world import fails
from emulator_world import make_node
from emulator_world import make_role
from emulator_world import make_user

USER = "arn:aws:iam::123456789012:user/tester"


def test_unknown_keys_and_wrong_secrets(emulator: Emulator) -> None:
    with fails("UnrecognizedClientException", status=400):
        emulator.client("ssm", key="AKIANOBODY0000000000").describe_activations()
    with fails("InvalidSignatureException", status=400):
        emulator.client("ssm", secret="wrong").describe_activations()
    with fails("InvalidClientTokenId", status=403):
        emulator.client("iam", key="AKIANOBODY0000000000").list_roles()
    with fails("SignatureDoesNotMatch", status=403):
        emulator.client("iam", secret="wrong").list_roles()
    with fails("UnrecognizedClientException"):
        emulator.client("ecs", key="ASIANOBODY0000000000", aws_session_token="x").list_clusters()


def test_an_unsigned_request_is_refused(emulator: Emulator) -> None:
    node = Node(emulator.http_port)
    headers = {"X-Amz-Target": "AmazonSSM.DescribeActivations", "Content-Type": "application/x-amz-json-1.1"}
    status, body = node.send(headers, b"{}")
    assert (status, json.loads(body)["__type"]) == (400, "MissingAuthenticationTokenException")
    status, body = node.send({**headers, "Authorization": "Basic eDp5"}, b"{}")
    assert json.loads(body)["__type"] == "IncompleteSignatureException"


def test_a_session_needs_its_token(emulator: Emulator, node: Node) -> None:
    node.token["SessionToken"] += "x"
    with pytest.raises(WireError, match="UnrecognizedClientException"):
        node.ping()


def test_the_body_is_what_was_signed(emulator: Emulator, node: Node) -> None:
    body = json.dumps({"InstanceId": node.node_id, "AgentVersion": "1"}).encode()
    headers = {
        "X-Amz-Target": "AmazonSSM.UpdateInstanceInformation",
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Content-Sha256": hashlib.sha256(body).hexdigest(),
        "Host": node.host,
    }
    signed = node._sign("ssm", "POST", f"http://{node.host}/", body, headers)
    assert node.send(signed, body)[0] == 200
    status, answer = node.send(signed, body.replace(b'"1"', b'"2"'))
    assert status == 400 and b"InvalidSignatureException" in answer


def test_the_operator_is_an_administrator(emulator: Emulator) -> None:
    for region, partition in (("us-east-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"),
                              ("eusc-de-east-1", "aws-eusc")):  # fmt: skip
        answer = emulator.client("sts", region).get_caller_identity()
        assert answer["Arn"] == f"arn:{partition}:iam::123456789012:user/operator"
        assert answer["Account"] == "123456789012"


def test_a_disabled_key(emulator: Emulator, iam: Any) -> None:
    key, secret = make_user(iam, allow("*"))
    client = emulator.client("ssm", key=key, secret=secret)
    client.describe_activations()
    iam.update_access_key(UserName="tester", AccessKeyId=key, Status="Inactive")
    with fails("UnrecognizedClientException"):
        client.describe_activations()


OPERATOR_NEEDS = {
    "ssm:CreateActivation": lambda c, i: c("ssm").create_activation(IamRole="ecsAnywhereRole"),
    "iam:PassRole": lambda c, i: c("ssm").create_activation(IamRole="ecsAnywhereRole"),
    "ssm:DescribeActivations": lambda c, i: c("ssm").describe_activations(),
    "ssm:DescribeInstanceInformation": lambda c, i: c("ssm").describe_instance_information(),
    "ssm:DeregisterManagedInstance": lambda c, i: c("ssm").deregister_managed_instance(InstanceId=i),
    "ssm:AddTagsToResource": lambda c, i: c("ssm").add_tags_to_resource(
        ResourceType="ManagedInstance", ResourceId=i, Tags=[{"Key": "a", "Value": "b"}]
    ),
    "ssm:GetParameter": lambda c, i: c("ssm").get_parameter(Name="/edge/x"),
    "ssm:PutParameter": lambda c, i: c("ssm").put_parameter(Name="/edge/x", Value="x", Type="SecureString"),
    "ecs:DescribeClusters": lambda c, i: c("ecs").describe_clusters(clusters=["edge"]),
    "ecs:ListContainerInstances": lambda c, i: c("ecs").list_container_instances(cluster="edge"),
    "ecs:DescribeContainerInstances": lambda c, i: c("ecs").describe_container_instances(
        cluster="edge", containerInstances=["x"]
    ),
    "ecs:CreateCluster": lambda c, i: c("ecs").create_cluster(clusterName="edge"),
    "ecs:TagResource": lambda c, i: c("ecs").create_cluster(clusterName="e", tags=[{"key": "a", "value": "b"}]),
}


@pytest.mark.parametrize("action", OPERATOR_NEEDS)
def test_a_user_without_one_action(emulator: Emulator, iam: Any, node: Node, ecs: Any, action: str) -> None:
    ecs.create_cluster(clusterName="edge")
    everything = [a for a in OPERATOR_NEEDS if a != action]
    key, secret = make_user(iam, allow(*everything))

    def client(service: str) -> Any:
        return emulator.client(service, key=key, secret=secret)

    with fails("AccessDeniedException", f"User: {USER} is not authorized to perform: {action} on resource: ", 400):
        OPERATOR_NEEDS[action](client, node.node_id)
    with fails("AccessDeniedException", f"because no identity-based policy allows the {action} action"):
        OPERATOR_NEEDS[action](client, node.node_id)
    iam.put_user_policy(UserName="tester", PolicyName="more", PolicyDocument=allow(action))
    try:
        OPERATOR_NEEDS[action](client, node.node_id)
    except client("ssm").exceptions.ParameterNotFound:
        pass  # allowed, and there is none


def test_iam_tells_it_its_own_way(emulator: Emulator, iam: Any) -> None:
    key, secret = make_user(iam)
    with fails("AccessDenied", "is not authorized to perform: iam:ListRoles on resource: *", 403):
        emulator.client("iam", key=key, secret=secret).list_roles()
    assert emulator.client("sts", key=key, secret=secret).get_caller_identity()["Arn"] == USER


def test_resources_and_conditions_count(emulator: Emulator, ssm: Any, iam: Any, role: str) -> None:
    arn = iam.get_role(RoleName=role)["Role"]["Arn"]
    passed = {"StringEquals": {"iam:PassedToService": "ssm.amazonaws.com"}}
    key, secret = make_user(iam, allow("ssm:CreateActivation"), allow("iam:PassRole", resource=arn, Condition=passed))
    make_role(iam, "other")
    client = emulator.client("ssm", key=key, secret=secret)
    client.create_activation(IamRole=role)
    with fails("AccessDeniedException", "iam:PassRole on resource: arn:aws:iam::123456789012:role/other"):
        client.create_activation(IamRole="other")
    deny = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "ssm:*", "Resource": "*"}})
    iam.put_user_policy(UserName="tester", PolicyName="deny", PolicyDocument=deny)
    with fails("AccessDeniedException", "with an explicit deny in an identity-based policy"):
        client.create_activation(IamRole=role)


def test_groups_and_managed_policies_count(emulator: Emulator, iam: Any) -> None:
    key, secret = make_user(iam)
    client = emulator.client("ssm", key=key, secret=secret)
    iam.create_group(GroupName="g")
    iam.add_user_to_group(GroupName="g", UserName="tester")
    policy = iam.create_policy(PolicyName="p", PolicyDocument=allow("ssm:Describe*"))["Policy"]["Arn"]
    iam.attach_group_policy(GroupName="g", PolicyArn=policy)
    client.describe_activations()
    version = iam.create_policy_version(PolicyArn=policy, PolicyDocument=allow("ecs:*"), SetAsDefault=True)
    assert version["PolicyVersion"]["VersionId"] == "v2"
    with fails("AccessDeniedException"):
        client.describe_activations()


def test_the_node_role_without_policies(emulator: Emulator, ssm: Any, iam: Any, ecs: Any) -> None:
    ecs.create_cluster(clusterName="edge")
    node = make_node(emulator, ssm, make_role(iam, policies=()))
    with pytest.raises(WireError) as caught:
        node.ping()
    who = f"User: arn:aws:sts::123456789012:assumed-role/ecsAnywhereRole/{node.node_id} is not authorized to perform: "
    where = f"arn:aws:ssm:eu-west-1:123456789012:managed-instance/{node.node_id}"
    assert (caught.value.code, caught.value.status) == ("AccessDeniedException", 400)
    assert caught.value.message.startswith(f"{who}ssm:UpdateInstanceInformation on resource: {where} because no ")
    with pytest.raises(WireError, match=r"ecs:RegisterContainerInstance on resource: .*:cluster/edge because no"):
        node.register_instance("edge")
    iam.attach_role_policy(RoleName="ecsAnywhereRole", PolicyArn=f"arn:aws:iam::aws:policy/{POLICIES[0]}")
    node.ping()


@pytest.mark.parametrize(
    ("missing", "act"),
    [
        ("ssm:UpdateInstanceInformation", lambda n: n.ping()),
        ("ecs:RegisterContainerInstance", lambda n: n.register_instance("edge")),
        ("ecs:DiscoverPollEndpoint", lambda n: n.ecs("DiscoverPollEndpoint", cluster="edge")),
        ("ecs:SubmitTaskStateChange", lambda n: n.ecs("SubmitTaskStateChange", cluster="edge", task="x", status="S")),
        ("ecs:TagResource", lambda n: n.register_instance("edge", tags=[{"key": "a", "value": "b"}])),
        ("ssmmessages:CreateControlChannel", lambda n: n._result(*n.control_channel_post())),
        ("ec2messages:GetMessages", lambda n: n.call("ec2messages", "EC2WindowsMessageDeliveryService.GetMessages",
                                                      {"Destination": n.node_id})),
    ],
)  # fmt: skip
def test_a_node_without_one_action(emulator: Emulator, iam: Any, server: Node, missing: str, act: Any) -> None:
    document = {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": missing, "Resource": "*"}}
    iam.put_role_policy(RoleName="ecsAnywhereRole", PolicyName="deny", PolicyDocument=json.dumps(document))
    with pytest.raises(WireError, match=f"perform: {missing} on resource: .* with an explicit deny"):
        act(server)


@pytest.mark.parametrize(("missing", "channel"), [("ecs:Poll", "acs"), ("ecs:StartTelemetrySession", "tcs"),
                                                  ("ssmmessages:OpenControlChannel", "control_channel")])  # fmt: skip
def test_a_node_without_a_websocket(emulator: Emulator, iam: Any, server: Node, missing: str, channel: str) -> None:
    document = {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": missing, "Resource": "*"}}
    iam.put_role_policy(RoleName="ecsAnywhereRole", PolicyName="deny", PolicyDocument=json.dumps(document))
    with pytest.raises(Exception, match="400"):
        getattr(server, channel)()
    assert emulator.calls(operation=missing.split(":")[1])[-1]["error"] == "AccessDeniedException"


def test_a_boundary_limits_the_node(emulator: Emulator, iam: Any, server: Node) -> None:
    only_ssm = iam.create_policy(PolicyName="only-ssm", PolicyDocument=allow("ssm:*"))["Policy"]["Arn"]
    iam.put_role_permissions_boundary(RoleName="ecsAnywhereRole", PermissionsBoundary=only_ssm)
    server.ping()
    with pytest.raises(WireError, match="because no permissions boundary allows the ecs:RegisterContainerInstance"):
        server.register_instance("edge")
    iam.delete_role_permissions_boundary(RoleName="ecsAnywhereRole")
    server.register_instance("edge", attributes=CAPABILITIES)


def test_one_cluster_only(emulator: Emulator, ssm: Any, iam: Any, ecs: Any) -> None:
    for name in ("edge", "other"):
        ecs.create_cluster(clusterName=name)
    node = make_node(emulator, ssm, make_role(iam, policies=()))
    scoped = allow("ecs:RegisterContainerInstance", resource="arn:aws:ecs:*:*:cluster/edge")
    iam.put_role_policy(RoleName="ecsAnywhereRole", PolicyName="scoped", PolicyDocument=scoped)
    node.register_instance("edge")
    with pytest.raises(WireError, match="cluster/other because no identity-based policy"):
        node.register_instance("other")


ECS = "arn:aws:ecs:eu-west-1:123456789012:"
# What an agent calls, on what AWS lets it be allowed, and how it is called.
SCOPED: dict[str, tuple[str, Any]] = {
    "ecs:RegisterContainerInstance": (ECS + "cluster/{}", lambda n: n.register_instance("edge")),
    "ecs:SubmitTaskStateChange": (ECS + "cluster/{}", lambda n: n.ecs("SubmitTaskStateChange", cluster="edge",
                                                                     task="x", status="S")),
    "ecs:SubmitContainerStateChange": (ECS + "cluster/{}", lambda n: n.ecs("SubmitContainerStateChange",
                                                                          cluster="edge", task="x", status="S")),
    "ecs:SubmitAttachmentStateChanges": (ECS + "cluster/{}", lambda n: n.ecs("SubmitAttachmentStateChanges",
                                                                            cluster="edge", attachments=[])),
    "ecs:Poll": (ECS + "container-instance/{}/*", lambda n: hang_up(n.acs())),
    "ecs:StartTelemetrySession": (ECS + "container-instance/{}/*", lambda n: hang_up(n.tcs())),
    "ecs:ListTagsForResource": (ECS + "container-instance/{}/*",
                                lambda n: n.ecs("ListTagsForResource", resourceArn=n.instance_arn)),
}  # fmt: skip


@pytest.mark.parametrize("action", SCOPED)
def test_each_call_of_an_agent_counts_for_its_own_cluster(
    emulator: Emulator, iam: Any, server: Node, action: str
) -> None:
    pattern, act = SCOPED[action]
    for policy in POLICIES:
        iam.detach_role_policy(RoleName="ecsAnywhereRole", PolicyArn=f"arn:aws:iam::aws:policy/{policy}")
    iam.put_role_policy(
        RoleName="ecsAnywhereRole", PolicyName="p", PolicyDocument=allow(action, resource=pattern.format("other"))
    )
    with pytest.raises(Exception, match="400"):
        act(server)
    assert emulator.calls(operation=action.split(":")[1])[-1]["denied"] == action
    iam.put_role_policy(
        RoleName="ecsAnywhereRole", PolicyName="p", PolicyDocument=allow(action, resource=pattern.format("edge"))
    )
    act(server)
    assert "denied" not in emulator.calls(operation=action.split(":")[1])[-1]


@pytest.mark.parametrize(
    ("action", "key", "value", "act"),
    [
        ("ecs:Poll", "ecs:cluster", ECS + "cluster/{}", lambda n: hang_up(n.acs())),
        ("ecs:StartTelemetrySession", "ecs:cluster", ECS + "cluster/{}", lambda n: hang_up(n.tcs())),
        ("ecs:Poll", "ecs:container-instances", ECS + "container-instance/{}/*", lambda n: hang_up(n.acs())),
    ],
)
def test_conditions_on_the_cluster_count(
    emulator: Emulator, iam: Any, server: Node, action: str, key: str, value: str, act: Any
) -> None:
    def only(cluster: str) -> str:
        return allow(action, Condition={"ArnLike": {key: value.format(cluster)}})

    for policy in POLICIES:
        iam.detach_role_policy(RoleName="ecsAnywhereRole", PolicyArn=f"arn:aws:iam::aws:policy/{policy}")
    iam.put_role_policy(RoleName="ecsAnywhereRole", PolicyName="p", PolicyDocument=only("other"))
    with pytest.raises(Exception, match="400"):
        act(server)
    iam.put_role_policy(RoleName="ecsAnywhereRole", PolicyName="p", PolicyDocument=only("edge"))
    act(server)


def test_the_poll_endpoint_is_of_no_resource(emulator: Emulator, iam: Any, server: Node) -> None:
    for policy in POLICIES:
        iam.detach_role_policy(RoleName="ecsAnywhereRole", PolicyArn=f"arn:aws:iam::aws:policy/{policy}")
    scoped = allow("ecs:DiscoverPollEndpoint", resource=[ECS + "cluster/*", ECS + "container-instance/*"])
    iam.put_role_policy(RoleName="ecsAnywhereRole", PolicyName="p", PolicyDocument=scoped)
    with pytest.raises(WireError, match=r"ecs:DiscoverPollEndpoint on resource: \* because"):
        server.ecs("DiscoverPollEndpoint", cluster="edge", containerInstance=server.instance_arn)
    there = {"StringEquals": {"aws:RequestedRegion": ["eu-west-1"]}}
    in_region = allow("ecs:DiscoverPollEndpoint", Condition=there)
    iam.put_role_policy(RoleName="ecsAnywhereRole", PolicyName="p", PolicyDocument=in_region)
    server.ecs("DiscoverPollEndpoint", cluster="edge", containerInstance=server.instance_arn)


def test_the_call_log_says_which_action_was_missing(emulator: Emulator, iam: Any, server: Node) -> None:
    deny = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "ecs:TagResource",
                                                              "Resource": "*"}})  # fmt: skip
    iam.put_role_policy(RoleName="ecsAnywhereRole", PolicyName="deny", PolicyDocument=deny)
    with pytest.raises(WireError):
        server.register_instance("edge", tags=[{"key": "a", "value": "b"}])
    call = emulator.calls(operation="RegisterContainerInstance")[-1]
    assert (call["error"], call["denied"]) == ("AccessDeniedException", "ecs:TagResource")


def test_conditions_of_the_trust_policy_hold_for_tokens(emulator: Emulator, ssm: Any, iam: Any) -> None:
    def trust(account: str, region: str) -> str:
        condition = {
            "StringEquals": {"aws:SourceAccount": account},
            "ArnEquals": {"aws:SourceArn": f"arn:aws:ssm:{region}:{account}:*"},
        }
        principal = {"Service": "ssm.amazonaws.com"}
        statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", "Condition": condition}
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    role = make_role(iam)
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=trust("123456789012", "eu-west-1"))
    node = make_node(emulator, ssm, role)
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=trust("123456789012", "us-east-1"))
    with pytest.raises(WireError, match="AccessDeniedException"):
        node.request_token()


def test_assuming_a_role(emulator: Emulator, iam: Any, role: str) -> None:
    sts = emulator.client("sts")
    arn = "arn:aws:iam::123456789012:role/"
    for name in ("nope", role):
        with fails("AccessDenied", "sts:AssumeRole", 403):
            sts.assume_role(RoleArn=arn + name, RoleSessionName="session")
    trust = {"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=allow("ssm:DescribeActivations"))
    got = sts.assume_role(RoleArn=arn + "r", RoleSessionName="session")["Credentials"]
    keys = {"key": got["AccessKeyId"], "secret": got["SecretAccessKey"], "aws_session_token": got["SessionToken"]}
    emulator.client("ssm", **keys).describe_activations()
    with fails("AccessDeniedException", "assumed-role/r/session is not authorized to perform: ssm:DescribeInstance"):
        emulator.client("ssm", **keys).describe_instance_information()
    emulator.control("POST", "clock", {"advance": 3700})
    with fails("ExpiredTokenException"):
        emulator.client("ssm", **keys).describe_activations()


def test_the_agents_may_with_awss_policies(emulator: Emulator, server: Node) -> None:
    server.ecs("DiscoverPollEndpoint", cluster="edge", containerInstance=server.instance_arn)
    server.register_instance("edge", tags=[{"key": "a", "value": "b"}])
    server.ecs("ListTagsForResource", resourceArn=server.instance_arn)
    with pytest.raises(WireError, match="ssm:DescribeInstanceInformation"):
        server.ssm("DescribeInstanceInformation")


def test_looking_at_one_cluster_only(emulator: Emulator, iam: Any, ecs: Any) -> None:
    for name in ("edge", "other"):
        ecs.create_cluster(clusterName=name)
    key, secret = make_user(iam, allow("ecs:DescribeClusters", resource="arn:aws:ecs:*:*:cluster/edge"))
    client = emulator.client("ecs", key=key, secret=secret)
    assert client.describe_clusters(clusters=["edge"])["clusters"][0]["status"] == "ACTIVE"
    with fails("AccessDeniedException", "cluster/other because no identity-based policy"):
        client.describe_clusters(clusters=["other"])
