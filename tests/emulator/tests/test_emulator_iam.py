# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What IAM has here beyond moto's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from emulator_process import Emulator
from emulator_world import POLICIES
from emulator_world import TRUST
from emulator_world import allow
from emulator_world import fails
from emulator_world import make_role


def statement(**changes: Any) -> str:
    base: dict[str, Any] = {**TRUST["Statement"], **changes}  # type: ignore[dict-item]
    return json.dumps({"Version": "2012-10-17", "Statement": [{k: v for k, v in base.items() if v is not None}]})


BAD_TRUST = [
    "not json",
    "[]",
    '{"Version": "2012-10-17"}',
    '{"Version": "2020-01-01", "Statement": []}',
    statement(Effect="Maybe"),
    statement(Principal=None),
    statement(Principal={"Servant": "x"}),
    statement(Action=None),
    statement(Action="ssm:GetParameter"),
    statement(Resource="*"),
]


@pytest.mark.parametrize("document", BAD_TRUST)
def test_a_trust_policy_is_checked(iam: Any, role: str, document: str) -> None:
    with fails("MalformedPolicyDocument", status=400):
        iam.create_role(RoleName="bad", AssumeRolePolicyDocument=document)
    with fails("MalformedPolicyDocument", status=400):
        iam.update_assume_role_policy(RoleName=role, PolicyDocument=document)
    assert iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"] == TRUST
    with fails("NoSuchEntity", status=404):
        iam.get_role(RoleName="bad")


@pytest.mark.parametrize(
    ("region", "partition"),
    [("us-east-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eusc-de-east-1", "aws-eusc")],
)
def test_awss_policies_are_there(emulator: Emulator, region: str, partition: str) -> None:
    iam = emulator.client("iam", region)
    make_role(iam)
    attached = {p["PolicyArn"] for p in iam.list_attached_role_policies(RoleName="ecsAnywhereRole")["AttachedPolicies"]}
    assert attached == {f"arn:{partition}:iam::aws:policy/{p}" for p in POLICIES}
    arn = f"arn:{partition}:iam::aws:policy/{POLICIES[1]}"
    policy = iam.get_policy(PolicyArn=arn)["Policy"]
    assert (policy["DefaultVersionId"], policy["AttachmentCount"]) == ("v10", 1)
    version = iam.get_policy_version(PolicyArn=arn, VersionId="v10")["PolicyVersion"]
    assert "ecs:Submit*" in version["Document"]["Statement"][0]["Action"]
    assert f"arn:{partition}:ecs:*:*:task/*/*" in version["Document"]["Statement"][2]["Resource"]


def test_a_boundary_must_exist(iam: Any, role: str) -> None:
    nope = "arn:aws:iam::123456789012:policy/nope"
    with fails("NoSuchEntity", status=404):
        iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(TRUST), PermissionsBoundary=nope)
    with fails("NoSuchEntity", status=404):
        iam.put_role_permissions_boundary(RoleName=role, PermissionsBoundary=nope)
    good = iam.create_policy(PolicyName="b", PolicyDocument=allow("*"))["Policy"]["Arn"]
    made = iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(TRUST), PermissionsBoundary=good)
    assert made["Role"]["PermissionsBoundary"]["PermissionsBoundaryArn"] == good


def test_a_role_is_made_once(iam: Any, role: str) -> None:
    with fails("EntityAlreadyExists", status=409):
        make_role(iam)
    with fails("DeleteConflict", status=409):
        iam.delete_role(RoleName=role)


def test_what_is_not_emulated_is_told(emulator: Emulator, iam: Any, ssm: Any, ecs: Any) -> None:
    with fails("InvalidAction", "not emulated", 400):
        iam.simulate_principal_policy(PolicySourceArn="arn:aws:iam::1:user/x", ActionNames=["a:b"])
    with fails("UnknownOperationException", "not emulated", 400):
        ssm.describe_sessions(State="Active")
    with fails("UnknownOperationException", "not emulated", 400):
        ecs.list_services_by_namespace(namespace="x")
