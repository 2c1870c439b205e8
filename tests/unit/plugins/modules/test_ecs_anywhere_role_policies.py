# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Modes, inline policies and trust of ecs_anywhere_role, against moto."""

from __future__ import annotations

import itertools
import json

import boto3
import pytest
import yaml
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _node_policy
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _trust_policy
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _trust_scope
from ansible_collections.hybrid.ecs_anywhere.plugins.modules import ecs_anywhere_role
from moto import mock_aws

NAME = "ecsAnywhereRole"
ACCOUNT = "123456789012"
SERVICE = "ssm.amazonaws.com"
OURS = _node_policy.POLICY_NAME
POLICIES = "arn:aws:iam::aws:policy/"
SSM, ECS = POLICIES + "AmazonSSMManagedInstanceCore", POLICIES + "service-role/AmazonEC2ContainerServiceforEC2Role"
READ = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
WRITE = json.loads(json.dumps(READ).replace("Get", "Put"))
LEAST = {"policy_mode": "least_privilege", "clusters": ["edge"], "features": ["run_command"]}
DOCUMENT = _node_policy.node_policy(
    clusters=["edge"], regions=["eu-west-1"], features=["run_command"], partition="aws", account=ACCOUNT
)


@pytest.fixture(scope="module")
def aws():
    """One account for all tests here, because AWS's policies are slow to load."""
    with mock_aws(config={"iam": {"load_aws_managed_policies": True}}):
        yield boto3.client("iam", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")


@pytest.fixture
def iam(aws):
    yield aws
    if NAME in [r["RoleName"] for r in aws.list_roles()["Roles"]]:
        for policy in attached(aws):
            aws.detach_role_policy(RoleName=NAME, PolicyArn=policy)
        for policy in inline(aws):
            aws.delete_role_policy(RoleName=NAME, PolicyName=policy)
        aws.delete_role(RoleName=NAME)


def make(iam, *arns, trust=None, **documents):
    trust = trust or _trust_policy.plain(SERVICE)
    iam.create_role(RoleName=NAME, AssumeRolePolicyDocument=json.dumps(trust))
    for arn in arns:
        iam.attach_role_policy(RoleName=NAME, PolicyArn=arn)
    for name, document in documents.items():
        iam.put_role_policy(RoleName=NAME, PolicyName=name, PolicyDocument=json.dumps(document))


def attached(iam):
    return sorted(p["PolicyArn"] for p in iam.list_attached_role_policies(RoleName=NAME)["AttachedPolicies"])


def inline(iam):
    names = iam.list_role_policies(RoleName=NAME)["PolicyNames"]
    return {n: iam.get_role_policy(RoleName=NAME, PolicyName=n)["PolicyDocument"] for n in sorted(names)}


def trust(iam):
    return iam.get_role(RoleName=NAME)["Role"]["AssumeRolePolicyDocument"]


def shown(result):
    return {p["policy_name"]: p["policy_document"] for p in result["iam_role"]["inline_policies"]}


def test_least_privilege_is_one_inline_policy(iam, calls, run):
    predicted = run("ecs_anywhere_role", check=True, diff=True, **LEAST)
    assert calls == ["GetRole", "GetCallerIdentity"]
    calls.clear()
    made = run("ecs_anywhere_role", diff=True, **LEAST)
    assert calls == ["GetRole", "GetCallerIdentity", "CreateRole", "GetRole", "PutRolePolicy"]
    assert inline(iam) == {OURS: DOCUMENT} == shown(made) == shown(predicted)
    assert attached(iam) == []
    assert predicted["diff"] == made["diff"] and made["diff"]["before"] == {}
    assert made["diff"]["after"]["inline_policies"] == [{"policy_name": OURS, "policy_document": DOCUMENT}]
    assert predicted["iam_role"]["arn"] == made["iam_role"]["arn"]
    calls.clear()
    assert not run("ecs_anywhere_role", **LEAST)["changed"]
    assert calls == ["GetRole", "ListAttachedRolePolicies", "GetRolePolicy"]


def test_another_wish_is_one_write(iam, calls, run):
    run("ecs_anywhere_role", **LEAST)
    calls.clear()
    result = run("ecs_anywhere_role", diff=True, **{**LEAST, "features": []})
    assert result["changed"] and calls[-1] == "PutRolePolicy" and len(calls) == 4
    assert result["diff"]["before"]["inline_policies"] != result["diff"]["after"]["inline_policies"]
    assert "ssm:GetDocument" not in json.dumps(inline(iam))


STATES = {
    "managed": ((SSM, ECS), {}, {"policy_mode": "managed"}),
    "least_privilege": ((), {OURS: DOCUMENT}, LEAST),
    # as a run leaves it that was killed between giving and taking
    "both": ((SSM, ECS), {OURS: DOCUMENT}, None),
    "half": ((SSM,), {OURS: DOCUMENT}, None),
    "nothing": ((), {}, None),
}


MODES = ("managed", "least_privilege")


@pytest.mark.parametrize(("before", "after"), list(itertools.product(STATES, MODES)))
def test_modes_converge_from_everywhere(iam, calls, run, before, after):
    arns, documents, _wish = STATES[before]
    extra = POLICIES + "CloudWatchAgentServerPolicy"
    make(iam, extra, *arns, mine=READ, **documents)
    wanted_arns, wanted_documents, wish = STATES[after]

    check = run("ecs_anywhere_role", check=True, diff=True, **wish)
    calls.clear()
    result = run("ecs_anywhere_role", diff=True, **wish)
    assert result["changed"] is check["changed"] is (before != after) and result["diff"] == check["diff"]
    assert attached(iam) == sorted([extra, *wanted_arns])  # what is the user's own stays
    assert inline(iam) == {**wanted_documents, "mine": READ}
    giving = [n for n, call in enumerate(calls) if call in ("PutRolePolicy", "AttachRolePolicy")]
    taking = [n for n, call in enumerate(calls) if call in ("DeleteRolePolicy", "DetachRolePolicy")]
    assert max(giving, default=-1) < min(taking, default=len(calls))

    calls.clear()
    assert not run("ecs_anywhere_role", **wish)["changed"] and len(calls) == 3


@pytest.mark.parametrize("before", STATES)
def test_custom_neither_gives_nor_takes(iam, calls, run, before):
    arns, documents, _wish = STATES[before]
    make(iam, *arns, **documents)
    assert not run("ecs_anywhere_role", policy_mode="custom")["changed"]
    assert calls == ["GetRole", "ListAttachedRolePolicies"]
    asked = {"inline_policies": {"mine": READ}, "purge_policies": True, "purge_inline_policies": True}
    assert run("ecs_anywhere_role", policy_mode="custom", **asked)["changed"]
    assert attached(iam) == [] and inline(iam) == {"mine": READ}


def test_a_managed_policy_that_is_asked_for_stays(iam, calls, run):
    make(iam, SSM, ECS)
    assert run("ecs_anywhere_role", managed_policies=["AmazonSSMManagedInstanceCore"], **LEAST)["changed"]
    assert attached(iam) == [SSM] and "ListPolicies" not in calls


@pytest.mark.parametrize(
    ("region", "partition"),
    [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eusc-de-east-1", "aws-eusc"), ("eu-west-1", "aws")],
)
def test_of_the_partition_of_the_region(iam, run, region, partition):
    result = run("ecs_anywhere_role", check=True, region=region, trust="restricted", **LEAST)
    assert result["iam_role"]["arn"] == f"arn:{partition}:iam::{ACCOUNT}:role/{NAME}"
    document = _node_policy.node_policy(
        clusters=["edge"], regions=[region], features=["run_command"], partition=partition, account=ACCOUNT
    )
    assert shown(result) == {OURS: document}
    restricted = _trust_scope.restricted(SERVICE, partition, ACCOUNT, [region])
    assert result["iam_role"]["assume_role_policy_document"] == restricted


@pytest.mark.parametrize(
    ("given", "clusters", "own", "regions"),
    [
        (None, [], "eu-west-1", ["eu-west-1"]),
        (None, [], None, []),
        (["us-east-1"], ["edge"], "eu-west-1", ["us-east-1"]),
        (None, [f"arn:aws:ecs:us-east-1:{ACCOUNT}:cluster/a"], "eu-west-1", ["us-east-1"]),
        (None, [f"arn:aws:ecs:us-east-1:{ACCOUNT}:cluster/a", "edge"], "eu-west-1", ["eu-west-1", "us-east-1"]),
        (["eu-west-1"], [f"arn:aws:ecs:us-east-1:{ACCOUNT}:cluster/a"], None, ["eu-west-1", "us-east-1"]),
    ],
)
def test_which_regions_are_meant(given, clusters, own, regions):
    assert ecs_anywhere_role.regions_of(given, clusters, lambda: own) == regions


def test_inline_policies_are_compared_by_meaning(iam, calls, run):
    asked = {"mine": READ, "text": json.dumps(WRITE)}
    result = run("ecs_anywhere_role", inline_policies=asked)
    assert inline(iam) == {"mine": READ, "text": WRITE} == shown(result)
    other = {"Version": "2012-10-17", "Statement": {"Resource": ["*"], "Action": ["s3:GetObject"], "Effect": "Allow"}}
    calls.clear()
    assert not run("ecs_anywhere_role", inline_policies={**asked, "mine": other})["changed"]
    assert calls == ["GetRole", "ListAttachedRolePolicies", "ListRolePolicies", "GetRolePolicy", "GetRolePolicy"]
    assert run("ecs_anywhere_role", inline_policies={"mine": WRITE})["changed"]
    assert inline(iam) == {"mine": WRITE, "text": WRITE}


@pytest.mark.parametrize("wish", [{}, LEAST])
def test_inline_policies_are_purged_only_if_asked(iam, run, wish):
    run("ecs_anywhere_role", inline_policies={"mine": READ}, **wish)
    iam.put_role_policy(RoleName=NAME, PolicyName="other", PolicyDocument=json.dumps(WRITE))
    assert not run("ecs_anywhere_role", inline_policies={"mine": READ}, **wish)["changed"]
    asked = {"inline_policies": {"mine": READ}, "purge_inline_policies": True, **wish}
    check = run("ecs_anywhere_role", check=True, diff=True, **asked)
    assert "other" in inline(iam)
    result = run("ecs_anywhere_role", diff=True, **asked)
    assert result["changed"] and result["diff"] == check["diff"]
    assert {"policy_name": "other", "policy_document": WRITE} in result["diff"]["before"]["inline_policies"]
    assert sorted(inline(iam)) == (["mine"] if not wish else [OURS, "mine"])
    assert not run("ecs_anywhere_role", **asked)["changed"]


def test_inline_policies_that_nobody_asked_about_are_not_returned(iam, run):
    make(iam, SSM, ECS, mine=READ)
    assert "inline_policies" not in run("ecs_anywhere_role")["iam_role"]


def test_a_diff_of_absent_shows_every_policy(iam, run):
    make(iam, SSM, mine=READ, **{OURS: DOCUMENT})
    before = run("ecs_anywhere_role", diff=True, state="absent")["diff"]["before"]
    assert [p["policy_name"] for p in before["inline_policies"]] == [OURS, "mine"]
    assert len(before["attached_policies"]) == 1


def test_trust_is_loosened_only_if_asked(iam, calls, run):
    eu, both = (
        _trust_scope.restricted(SERVICE, "aws", ACCOUNT, r) for r in (["eu-west-1"], ["eu-west-1", "us-east-1"])
    )
    assert run("ecs_anywhere_role", trust="restricted")["changed"] and trust(iam) == eu
    assert calls[:2] == ["GetRole", "GetCallerIdentity"]
    calls.clear()
    assert not run("ecs_anywhere_role", trust="restricted")["changed"] and len(calls) == 3
    assert not run("ecs_anywhere_role")["changed"]
    wish = {"trust": "restricted", "regions": ["us-east-1", "eu-west-1"]}
    assert run("ecs_anywhere_role", check=True, **wish)["iam_role"]["assume_role_policy_document"] == both
    assert trust(iam) == eu
    assert run("ecs_anywhere_role", **wish)["changed"] and trust(iam) == both
    assert not run("ecs_anywhere_role")["changed"] and trust(iam) == both
    assert run("ecs_anywhere_role", trust="plain")["changed"] and trust(iam) == _trust_policy.plain(SERVICE)
    assert not run("ecs_anywhere_role", trust="plain")["changed"]


def test_the_account_that_cannot_be_told(stub, run):
    stub("iam").add_client_error("get_role", "NoSuchEntity")
    stub("sts").add_client_error("get_caller_identity", "ExpiredToken", "The token is expired")
    result = run("ecs_anywhere_role", trust="restricted")
    assert result["msg"].startswith("Failed to ask which account the credentials are of (role ecsAnywhereRole)")
    assert "log in again" in result["msg"]


def test_what_is_said_without_an_import_of_the_generator_is_what_it_says():
    assert ecs_anywhere_role.OWN_POLICY == _node_policy.POLICY_NAME
    assert sorted(_node_policy.FEATURES) == ecs_anywhere_role.FEATURES
    options = yaml.safe_load(ecs_anywhere_role.DOCUMENTATION)["options"]
    assert options["features"]["choices"] == {n: f.summary for n, f in _node_policy.FEATURES.items()}


def test_a_run_that_does_not_care_leaves_least_privilege_alone(run, iam):
    run("ecs_anywhere_role", **LEAST)
    careless = run("ecs_anywhere_role", diff=True)
    assert not careless["changed"] and careless["diff"]["before"] == careless["diff"]["after"]
    assert attached(iam) == [] and inline(iam) == {OURS: DOCUMENT}
    assert run("ecs_anywhere_role", policy_mode="managed")["changed"]
    assert attached(iam) == sorted([SSM, ECS]) and inline(iam) == {}
