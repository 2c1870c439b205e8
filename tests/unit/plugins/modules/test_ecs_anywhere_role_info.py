# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import json

import boto3
import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._node_policy import node_policy
from moto import mock_aws

ACCOUNT = "123456789012"
SSM = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
ECS = "arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"
ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ssm:*", "Resource": "*"}]}


def trust(service="ssm.amazonaws.com", **more):
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole", **more}
    return {"Version": "2012-10-17", "Statement": [statement]}


RESTRICTED = trust(Condition={"StringEquals": {"aws:SourceAccount": ACCOUNT}})


@pytest.fixture
def iam():
    with mock_aws(config={"iam": {"load_aws_managed_policies": True}}):
        yield boto3.client("iam", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")


def make(iam, name="ecsAnywhereRole", policies=(SSM, ECS), document=None, inline=None, **params):
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(document or trust()), **params)
    for arn in policies:
        iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    for policy, content in (inline or {}).items():
        iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=json.dumps(content))


def ids(of, severity=None):
    return [f["id"] for f in of["findings"] if severity in (None, f["severity"])]


def test_the_role_of_awss_guide(iam, calls, run):
    make(iam, Tags=[{"Key": "team", "Value": "edge"}])
    result = run("ecs_anywhere_role_info", name=["ecsAnywhereRole"])
    assert calls == ["GetRole", "ListAttachedRolePolicies", "ListRolePolicies", *["GetPolicy", "GetPolicyVersion"] * 2]
    [role] = result["roles"]
    assert not result["changed"] and role["tags"] == {"team": "edge"}
    assert [p["policy_arn"] for p in role["managed_policies"]] == [SSM, ECS]
    assert role["managed_policies"][0]["policy_document"]["Statement"][0]["Effect"] == "Allow"
    assert [p["policy_arn"] for p in role["attached_policies"]] == [SSM, ECS]
    assert (role["inline_policies"], role["boundary"], role["managed_instance_ids"]) == ([], None, None)
    assert "action_missing" not in ids(role) and set(ids(role, "high")) == {"action_beyond_need"}
    assert role["summary"]["allowed_actions"] > 3 * role["summary"]["least_privilege"]["allowed_actions"]
    assert result["findings"] == []


@pytest.mark.parametrize(
    "given", ["ecsAnywhereRole", "edge/ecsAnywhereRole", f"arn:aws:iam::{ACCOUNT}:role/edge/ecsAnywhereRole"]
)
def test_names_of_all_kinds_and_none_that_exists(iam, run, given):
    make(iam, Path="/edge/")
    result = run("ecs_anywhere_role_info", name=[given, "nosuchrole"])
    assert [r["role_name"] for r in result["roles"]] == ["ecsAnywhereRole"]


def test_the_least_is_enough_and_its_scope_counts(iam, run):
    wish = {"clusters": ["edge"], "regions": ["eu-west-1"], "features": ["session_manager"]}
    least = node_policy(**wish, partition="aws", account=ACCOUNT)
    make(iam, policies=(), document=RESTRICTED, inline={"least": least})
    asked = {"name": ["ecsAnywhereRole"], "clusters": ["edge"], "features": ["session_manager"]}
    [role] = run("ecs_anywhere_role_info", **asked)["roles"]
    assert role["findings"] == [] and role["inline_policies"] == [{"policy_name": "least", "policy_document": least}]
    assert {k: v for k, v in role["summary"].items() if k != "least_privilege"} == role["summary"]["least_privilege"]
    [role] = run("ecs_anywhere_role_info", **{**asked, "clusters": ["other"]})["roles"]
    assert set(ids(role)) == {"action_missing"}
    [role] = run("ecs_anywhere_role_info", **{**asked, "features": []})["roles"]
    assert ids(role, "low") == ["feature_unused"]
    arn = f"arn:aws:ecs:us-east-1:{ACCOUNT}:cluster/edge"
    [role] = run("ecs_anywhere_role_info", **{**asked, "clusters": [arn]})["roles"]
    assert "us-east-1" in json.dumps([f["evidence"] for f in role["findings"] if f["id"] == "action_missing"])


def test_every_role_that_trusts_systems_manager(iam, calls, run):
    make(iam, "b")
    make(iam, "a", policies=(SSM,), inline={"x": ALL})
    make(iam, "automation", policies=())
    make(iam, "tasks", document=trust("ecs-tasks.amazonaws.com"))
    make(iam, "AWSServiceRoleForAmazonSSM", policies=(), Path="/aws-service-role/ssm.amazonaws.com/")
    result = run("ecs_anywhere_role_info")
    assert [r["role_name"] for r in result["roles"]] == ["a", "automation", "b"]
    assert calls.count("ListRoles") == 1 and calls.count("GetPolicyVersion") == 2 == calls.count("GetPolicy")
    assert calls.count("GetRole") == calls.count("ListRolePolicies") == 3 and calls.count("GetRolePolicy") == 1
    assert len(calls) == 1 + 3 * 3 + 1 + 4
    assert ids(result["roles"][1]) == ["not_a_node_role"]
    assert "action_missing" in ids(result["roles"][0])


def test_a_boundary_is_read_and_counts(iam, run):
    boundary = iam.create_policy(PolicyName="limit", PolicyDocument=json.dumps(ALL))["Policy"]["Arn"]
    make(iam, PermissionsBoundary=boundary)
    [role] = run("ecs_anywhere_role_info", name=["ecsAnywhereRole"])["roles"]
    assert role["boundary"] == {"policy_name": "limit", "policy_arn": boundary, "policy_document": ALL}
    [missing] = [f for f in role["findings"] if f["id"] == "action_missing"]
    assert "ecs:RegisterContainerInstance" in missing["message"] and "permissions boundary" in missing["message"]
    assert boundary in missing["repair"]


def test_an_empty_list_calls_nothing(iam, calls, run):
    assert run("ecs_anywhere_role_info", name=[])["roles"] == [] == calls


ROLE = {
    "Path": "/edge/",
    "RoleName": "r",
    "RoleId": "AROAEXAMPLEEXAMPLE12",
    "Arn": f"arn:aws:iam::{ACCOUNT}:role/edge/r",
    "CreateDate": 0,
    "AssumeRolePolicyDocument": "%7B%7D",
}


def test_nodes_tell_who_uses_a_role(stub, run):
    iam, ssm = stub("iam"), stub("ssm")
    iam.add_response("get_role", {"Role": {**ROLE}}, {"RoleName": "r"})
    iam.add_response("list_attached_role_policies", {"AttachedPolicies": []}, {"RoleName": "r"})
    iam.add_response("list_role_policies", {"PolicyNames": []}, {"RoleName": "r"})
    nodes = [("mi-00000000000000002", "edge/r"), ("mi-00000000000000001", "edge/r"), ("mi-00000000000000003", "Quick")]
    ssm.add_response(
        "describe_instance_information",
        {"InstanceInformationList": [{"InstanceId": i, "IamRole": r} for i, r in nodes]},
        {"Filters": [{"Key": "ResourceType", "Values": ["ManagedInstance"]}], "MaxResults": 50},
    )
    result = run("ecs_anywhere_role_info", name=["edge/r"], regions=["eu-west-1"])
    assert result["roles"][0]["managed_instance_ids"] == ["mi-00000000000000001", "mi-00000000000000002"]
    [replaced] = result["findings"]
    assert replaced["id"] == "role_replaced"
    assert replaced["evidence"] == {"iam_role": "Quick", "managed_instance_ids": ["mi-00000000000000003"]}


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"features": ["everything"]}, "value of features must be one or more of: cloudwatch_logs, "),
        ({"clusters": ["*"]}, "clusters: '*' is neither"),
        ({"regions": ["Ireland"]}, "regions: 'Ireland'"),
        ({"name": ["no spaces"]}, "name: 'no spaces' is not the name of a role"),
    ],
)
def test_bad_input_calls_nothing(iam, calls, run, args, words):
    result = run("ecs_anywhere_role_info", **args)
    assert result["failed"] and result["msg"].startswith(words) and calls == []


@pytest.mark.parametrize(
    ("operation", "action"),
    [("list_roles", "iam:ListRoles"), ("get_role", "iam:GetRole"), ("list_role_policies", "iam:ListRolePolicies")],
)
def test_a_missing_permission_is_named(stub, run, operation, action):
    iam = stub("iam")
    if operation == "list_role_policies":
        iam.add_response("get_role", {"Role": {**ROLE}})
        iam.add_response("list_attached_role_policies", {"AttachedPolicies": []})
    words = f"User: arn:aws:iam::{ACCOUNT}:user/x is not authorized to perform: {action} on resource: role r"
    iam.add_client_error(operation, "AccessDenied", words)
    result = run("ecs_anywhere_role_info", **({} if operation == "list_roles" else {"name": ["r"]}))
    assert result["failed"] and f"lack the permission {action}" in result["msg"]
