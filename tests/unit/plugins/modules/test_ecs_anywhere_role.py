# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import json

import boto3
import pytest
from moto import mock_aws

SSM = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
ECS = "arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"
EXTRA = "arn:aws:iam::aws:policy/CloudWatchAgentServerPolicy"
READS = ["GetRole", "ListAttachedRolePolicies", "ListRolePolicies"]
OURS = "ECSAnywhereLeastPrivilege"
PLAIN = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ssm.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
DOCUMENT = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ssm:*", "Resource": "*"}]})
# As the guide and the console write it: one statement as an object, the service as a list.
CONSOLE = {
    "Version": "2012-10-17",
    "Statement": {
        "Sid": "",
        "Effect": "Allow",
        "Principal": {"Service": ["ssm.amazonaws.com"]},
        "Action": ["sts:AssumeRole"],
    },
}


@pytest.fixture
def iam():
    with mock_aws(config={"iam": {"load_aws_managed_policies": True}}):
        yield boto3.client("iam", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")


def make(iam, trust=None, policies=(SSM, ECS), **params):
    document = json.dumps(trust or CONSOLE)
    iam.create_role(RoleName="ecsAnywhereRole", AssumeRolePolicyDocument=document, **params)
    for arn in policies:
        iam.attach_role_policy(RoleName="ecsAnywhereRole", PolicyArn=arn)


def attached(iam, name="ecsAnywhereRole"):
    return sorted(p["PolicyArn"] for p in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"])


def role(iam, name="ecsAnywhereRole"):
    return iam.get_role(RoleName=name)["Role"]


def exists(iam, name="ecsAnywhereRole"):
    return any(r["RoleName"] == name for r in iam.list_roles()["Roles"])


def arns(result):
    return [p["policy_arn"] for p in result["iam_role"]["attached_policies"]]


def test_create_makes_what_the_guide_says_in_five_calls(iam, calls, run):
    result = run("ecs_anywhere_role")
    assert result["changed"]
    assert role(iam)["AssumeRolePolicyDocument"] == PLAIN
    assert attached(iam) == [SSM, ECS] == arns(result)
    assert calls == ["GetRole", "CreateRole", "GetRole", "AttachRolePolicy", "AttachRolePolicy"]
    assert result["iam_role"]["arn"] == role(iam)["Arn"]
    assert result["iam_role"]["role_id"] == role(iam)["RoleId"]


def test_create_without_wait_saves_a_call(iam, calls, run):
    run("ecs_anywhere_role", wait=False)
    assert calls == ["GetRole", "CreateRole", "AttachRolePolicy", "AttachRolePolicy"]


def test_second_run_changes_nothing_in_three_calls(iam, calls, run):
    first = run("ecs_anywhere_role", tags={"a": "b"}, description="x", max_session_duration=7200)
    calls.clear()
    second = run("ecs_anywhere_role", tags={"a": "b"}, description="x", max_session_duration=7200)
    assert not second["changed"]
    assert calls == READS
    second["iam_role"].pop("role_last_used", None)
    assert second["iam_role"] == first["iam_role"]


def test_a_role_made_by_the_console_is_adopted(iam, calls, run):
    make(iam, policies=(SSM, ECS, EXTRA), Description="made by the console")
    result = run("ecs_anywhere_role")
    assert not result["changed"]
    assert calls == READS
    assert EXTRA in arns(result)


def test_check_mode_predicts_the_role_and_writes_nothing(iam, calls, run):
    predicted = run("ecs_anywhere_role", check=True, diff=True, path="/edge/", tags={"a": "b"})
    assert predicted["changed"] and not exists(iam)
    assert calls == ["GetRole"]
    assert predicted["iam_role"]["arn"] == "arn:aws:iam::000000000000:role/edge/ecsAnywhereRole"
    assert predicted["diff"]["before"] == {}
    made = run("ecs_anywhere_role", path="/edge/", tags={"a": "b"})["iam_role"]
    unknown = ("arn", "role_id", "create_date")
    assert {k: v for k, v in predicted["iam_role"].items() if k not in unknown} == {
        k: v for k, v in made.items() if k not in unknown
    }


@pytest.mark.parametrize(
    ("region", "partition"),
    [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eusc-de-east-1", "aws-eusc"), ("eu-west-1", "aws")],
)
def test_policies_are_of_the_partition_of_the_region(iam, run, region, partition):
    result = run("ecs_anywhere_role", check=True, region=region)
    assert {arn.split(":")[1] for arn in arns(result)} == {partition}


def test_wrong_trust_is_repaired_and_shown(iam, calls, run):
    wrong = json.loads(json.dumps(PLAIN).replace("ssm.", "ecs-tasks."))
    make(iam, trust=wrong)
    check = run("ecs_anywhere_role", check=True, diff=True)
    assert check["changed"] and role(iam)["AssumeRolePolicyDocument"] == wrong
    calls.clear()
    result = run("ecs_anywhere_role", diff=True)
    assert calls == [*READS, "UpdateAssumeRolePolicy"]
    after = role(iam)["AssumeRolePolicyDocument"]
    assert after["Statement"] == wrong["Statement"] + PLAIN["Statement"]
    assert result["diff"]["before"]["assume_role_policy_document"] == wrong
    assert result["diff"] == check["diff"]
    assert not run("ecs_anywhere_role")["changed"]


def test_stricter_trust_is_not_loosened(iam, run):
    strict = json.loads(json.dumps(PLAIN))
    strict["Statement"][0]["Condition"] = {"StringEquals": {"aws:SourceAccount": "123456789012"}}
    make(iam, trust=strict)
    assert not run("ecs_anywhere_role")["changed"]


def test_detached_policy_is_attached_again(iam, calls, run):
    make(iam, policies=(SSM,))
    assert run("ecs_anywhere_role")["changed"]
    assert calls == [*READS, "AttachRolePolicy"]
    assert attached(iam) == [SSM, ECS]


def test_other_policies_go_only_if_asked(iam, run):
    make(iam, policies=(SSM, ECS, EXTRA))
    assert not run("ecs_anywhere_role")["changed"]
    assert run("ecs_anywhere_role", purge_policies=True)["changed"]
    assert attached(iam) == [SSM, ECS]


def test_names_are_resolved_once_and_then_known(iam, calls, run):
    assert run("ecs_anywhere_role", managed_policies=["CloudWatchAgentServerPolicy", SSM], purge_policies=True)[
        "changed"
    ]
    assert "ListPolicies" in calls
    calls.clear()
    result = run("ecs_anywhere_role", managed_policies=["CloudWatchAgentServerPolicy", SSM], purge_policies=True)
    assert not result["changed"] and calls == READS
    assert attached(iam) == sorted([SSM, ECS, EXTRA])


def test_an_unknown_policy_name_fails_before_anything_is_made(iam, run):
    result = run("ecs_anywhere_role", managed_policies=["NoSuchPolicy"])
    assert "no managed policy NoSuchPolicy" in result["msg"] and not exists(iam)


def test_boundary_is_set_replaced_and_removed(iam, run):
    one, two = (iam.create_policy(PolicyName=n, PolicyDocument=DOCUMENT)["Policy"]["Arn"] for n in ("one", "two"))
    assert run("ecs_anywhere_role", boundary=one)["changed"]
    assert not run("ecs_anywhere_role", boundary=one)["changed"]
    assert not run("ecs_anywhere_role")["changed"]
    assert run("ecs_anywhere_role", boundary=two)["changed"]
    assert role(iam)["PermissionsBoundary"]["PermissionsBoundaryArn"] == two
    assert run("ecs_anywhere_role", boundary="")["changed"]
    assert "PermissionsBoundary" not in role(iam)
    assert not run("ecs_anywhere_role", boundary="")["changed"]


def test_description_and_session_change_in_one_call(iam, calls, run):
    make(iam, Description="old")
    assert run("ecs_anywhere_role", description="new", max_session_duration=7200)["changed"]
    assert calls == [*READS, "UpdateRole"]
    assert (role(iam)["Description"], role(iam)["MaxSessionDuration"]) == ("new", 7200)
    assert not run("ecs_anywhere_role")["changed"]


def test_tags_none_purge_and_keep(iam, run):
    run("ecs_anywhere_role", tags={"a": "1", "b": "2"})
    assert not run("ecs_anywhere_role")["changed"]
    assert run("ecs_anywhere_role", tags={"a": "9"}, purge_tags=False)["iam_role"]["tags"] == {"a": "9", "b": "2"}
    assert run("ecs_anywhere_role", tags={"c": "3"})["iam_role"]["tags"] == {"c": "3"}
    assert run("ecs_anywhere_role", tags={})["changed"]
    assert role(iam).get("Tags", []) == []


def test_another_path_is_an_error_before_any_change(iam, calls, run):
    make(iam, policies=())
    result = run("ecs_anywhere_role", path="/edge/")
    assert result["failed"] and "path /" in result["msg"] and "Leave path out" in result["msg"]
    assert attached(iam) == [] and "AttachRolePolicy" not in calls


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"max_session_duration": 60}, "between 3600 and 43200"),
        ({"boundary": "mine"}, "boundary must be the ARN"),
        ({"name": "x" * 65}, "1 to 64"),
        ({"path": "edge"}, "begins and ends with /"),
        ({"managed_policies": ["arn:aws:s3:::bucket"]}, "neither the ARN nor the name"),
        ({"managed_policies": ["arn:aws-cn:iam::aws:policy/X"]}, "partition aws-cn"),
        ({"inline_policies": {"p": "{"}}, "p is not JSON"),
        ({"inline_policies": {OURS: DOCUMENT}}, "Choose another name"),
        ({"clusters": ["edge"]}, "clusters is for policy_mode=least_privilege only"),
        ({"features": ["run_command"], "policy_mode": "custom"}, "features is for policy_mode=least_privilege only"),
        ({"regions": ["eu-west-1"]}, "regions is for policy_mode=least_privilege and trust=restricted only"),
        ({"trust": "restricted", "regions": ["Frankfurt"]}, "'Frankfurt' is not the name of a Region"),
        ({"policy_mode": "least_privilege", "clusters": ["a b"]}, "clusters: 'a b' is neither"),
        (
            {"policy_mode": "least_privilege", "clusters": ["arn:aws:ecs:eu-west-1:999999999999:cluster/edge"]},
            "account 999999999999",
        ),
    ],
)
def test_bad_input_fails_before_anything_is_made(iam, run, args, words):
    result = run("ecs_anywhere_role", **args)
    assert result["failed"] and words in result["msg"]
    assert not exists(iam) and not exists(iam, args.get("name", "ecsAnywhereRole"))


def test_absent_removes_all_that_keeps_iam_from_deleting(iam, calls, run):
    make(iam, policies=(SSM, ECS, EXTRA))
    iam.put_role_policy(RoleName="ecsAnywhereRole", PolicyName="inline", PolicyDocument=DOCUMENT)
    iam.create_instance_profile(InstanceProfileName="p")
    iam.add_role_to_instance_profile(InstanceProfileName="p", RoleName="ecsAnywhereRole")
    assert run("ecs_anywhere_role", check=True, state="absent")["changed"]
    assert exists(iam) and calls == ["GetRole"]
    result = run("ecs_anywhere_role", state="absent", diff=True)
    assert result["changed"] and not exists(iam)
    assert result["diff"]["after"] == {} and len(result["diff"]["before"]["attached_policies"]) == 3
    assert iam.get_instance_profile(InstanceProfileName="p")["InstanceProfile"]["Roles"] == []
    assert not run("ecs_anywhere_role", state="absent")["changed"]


def test_absent_costs_no_more_calls_than_the_peer(iam, calls, run):
    make(iam)
    run("ecs_anywhere_role", state="absent")
    assert len(calls) == 7


def test_a_quicker_creator_is_no_error(iam, calls, run, monkeypatch):
    from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _iam

    real = _iam.get_role
    looks = []

    def late(client, name):
        looks.append(name)
        if len(looks) > 1:
            return real(client, name)
        make(iam, policies=(SSM,))  # just after we looked
        return None

    monkeypatch.setattr(_iam, "get_role", late)
    result = run("ecs_anywhere_role")
    assert result["changed"] and attached(iam) == [SSM, ECS]
    assert calls.count("CreateRole") == 1


MADE = {
    "Path": "/",
    "RoleName": "ecsAnywhereRole",
    "RoleId": "AROAEXAMPLEEXAMPLE12",
    "Arn": "arn:aws:iam::123456789012:role/ecsAnywhereRole",
    "CreateDate": 0,
}


def test_a_new_role_that_iam_does_not_show_at_once_is_waited_for(stub, run, no_sleep):
    iam = stub("iam")
    iam.add_client_error("get_role", "NoSuchEntity")
    iam.add_response("create_role", {"Role": MADE})
    iam.add_client_error("get_role", "NoSuchEntity")
    iam.add_response("get_role", {"Role": MADE})
    for _policy in (SSM, ECS):
        iam.add_response("attach_role_policy", {})
    assert run("ecs_anywhere_role")["changed"] and sum(no_sleep) == 2


def test_waiting_ends(stub, run, no_sleep):
    iam = stub("iam")
    iam.add_client_error("get_role", "NoSuchEntity")
    iam.add_response("create_role", {"Role": MADE})
    for _look in range(4):
        iam.add_client_error("get_role", "NoSuchEntity")
    result = run("ecs_anywhere_role", wait_timeout=5)
    assert "does not show it after 5 seconds" in result["msg"] and sum(no_sleep) == 6


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("get_role", "iam:GetRole"),
        ("create_role", "iam:CreateRole"),
        ("attach_role_policy", "iam:AttachRolePolicy"),
    ],
)
def test_a_missing_permission_is_named(stub, run, operation, action):
    words = f"User: arn:aws:iam::123456789012:user/x is not authorized to perform: {action} on resource: role r"
    iam = stub("iam")
    if operation != "get_role":
        iam.add_client_error("get_role", "NoSuchEntity")
    if operation == "attach_role_policy":
        iam.add_response("create_role", {"Role": MADE})
    iam.add_client_error(operation, "AccessDenied", words)
    result = run("ecs_anywhere_role", wait=False)
    assert result["failed"] and "role ecsAnywhereRole" in result["msg"]
    assert f"lack the permission {action}" in result["msg"] and "Traceback" not in json.dumps(result)
    assert result["error"]["code"] == "AccessDenied"
