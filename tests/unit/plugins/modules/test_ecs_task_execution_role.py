# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import json

import boto3
import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _execution_policy
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _trust_policy
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _trust_scope
from moto import mock_aws

NAME = "ecsTaskExecutionRole"
ACCOUNT = "123456789012"
SERVICE = "ecs-tasks.amazonaws.com"
OURS = _execution_policy.POLICY_NAME
BASE = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
SECRETS = [
    f"arn:aws:ssm:eu-west-1:{ACCOUNT}:parameter/edge/*",
    f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:edge-a1B2c3",
]
MINE = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}


@pytest.fixture
def iam():
    with mock_aws(config={"iam": {"load_aws_managed_policies": True}}):
        yield boto3.client("iam", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")


def inline(iam):
    names = iam.list_role_policies(RoleName=NAME)["PolicyNames"]
    return {n: iam.get_role_policy(RoleName=NAME, PolicyName=n)["PolicyDocument"] for n in names}


def test_the_role_of_the_guide(iam, calls, run):
    check = run("ecs_task_execution_role", check=True, diff=True)
    assert check["changed"] and calls == ["GetRole"]
    calls.clear()
    made = run("ecs_task_execution_role", diff=True)
    assert calls == ["GetRole", "CreateRole", "GetRole", "AttachRolePolicy"]
    assert made["iam_role"]["assume_role_policy_document"] == _trust_policy.plain(SERVICE)
    assert [p["policy_arn"] for p in made["iam_role"]["attached_policies"]] == [BASE]
    assert check["iam_role"]["attached_policies"] == made["iam_role"]["attached_policies"]
    calls.clear()
    assert not run("ecs_task_execution_role")["changed"] and calls == ["GetRole", "ListAttachedRolePolicies"]
    assert run("ecs_task_execution_role", state="absent")["changed"]
    assert not run("ecs_task_execution_role", state="absent")["changed"]


def test_secrets_come_and_go(iam, calls, run):
    run("ecs_task_execution_role", secrets=SECRETS, inline_policies={"mine": MINE})
    assert inline(iam) == {OURS: _execution_policy.secrets_policy(SECRETS), "mine": MINE}
    calls.clear()
    assert not run("ecs_task_execution_role", secrets=SECRETS[::-1])["changed"]
    assert calls == ["GetRole", "ListAttachedRolePolicies", "GetRolePolicy"]
    assert not run("ecs_task_execution_role")["changed"]
    assert run("ecs_task_execution_role", secrets=SECRETS[:1])["changed"]
    assert inline(iam)[OURS] == _execution_policy.secrets_policy(SECRETS[:1])
    check = run("ecs_task_execution_role", secrets=[], check=True, diff=True)
    assert check["changed"] and OURS in inline(iam)
    result = run("ecs_task_execution_role", secrets=[], diff=True)
    assert result["changed"] and result["diff"] == check["diff"] and inline(iam) == {"mine": MINE}
    assert not run("ecs_task_execution_role", secrets=[])["changed"]


def test_purging_takes_secrets_that_are_not_given(iam, run):
    run("ecs_task_execution_role", secrets=SECRETS)
    assert not run("ecs_task_execution_role", secrets=SECRETS, purge_inline_policies=True)["changed"]
    assert run("ecs_task_execution_role", purge_inline_policies=True)["changed"] and inline(iam) == {}


@pytest.mark.parametrize(
    ("region", "partition"),
    [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eusc-de-east-1", "aws-eusc"), ("eu-west-1", "aws")],
)
def test_of_the_partition_of_the_region(iam, run, region, partition):
    role = run("ecs_task_execution_role", check=True, region=region, trust="restricted")["iam_role"]
    assert role["attached_policies"][0]["policy_arn"] == BASE.replace("arn:aws:", f"arn:{partition}:")
    assert role["assume_role_policy_document"] == _trust_scope.restricted(SERVICE, partition, ACCOUNT, [region])
    assert f"arn:{partition}:ecs:{region}:{ACCOUNT}:*" in json.dumps(role)


def test_restricted_trust(iam, calls, run):
    run("ecs_task_execution_role", trust="restricted", regions=["eu-west-1", "us-east-1"])
    assert calls[:3] == ["GetRole", "GetCallerIdentity", "CreateRole"]
    document = iam.get_role(RoleName=NAME)["Role"]["AssumeRolePolicyDocument"]
    assert document == _trust_scope.restricted(SERVICE, "aws", ACCOUNT, ["eu-west-1", "us-east-1"])
    assert not run("ecs_task_execution_role")["changed"]
    assert run("ecs_task_execution_role", trust="plain")["changed"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"secrets": [SECRETS[0], "edge"]}, "secrets: edge is not the ARN"),
        ({"regions": ["eu-west-1"]}, "regions is for trust=restricted only"),
        ({"inline_policies": {OURS: MINE}}, "Choose another name"),
    ],
)
def test_bad_input_fails_before_any_call(calls, run, args, words):
    result = run("ecs_task_execution_role", **args)
    assert result["failed"] and words in result["msg"] and calls == []
