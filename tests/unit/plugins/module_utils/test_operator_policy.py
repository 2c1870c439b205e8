# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.hybrid.ecs_anywhere.plugins.filter.operator_policy import operator_policy
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._operator_policy import PLAYBOOKS
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._policy_eval import Policy
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._policy_eval import Request
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._policy_eval import evaluate

ACCOUNT = "123456789012"
ECS = f"arn:aws:ecs:eu-west-1:{ACCOUNT}"
NODES = f"arn:aws:ssm:eu-west-1:{ACCOUNT}:managed-instance"
IAM = f"arn:aws:iam::{ACCOUNT}"
HERE = {"aws:RequestedRegion": "eu-west-1"}


def policy(playbook="register", **changes):
    wish = {"regions": ["eu-west-1"], "clusters": ["edge"], "account": ACCOUNT, **changes}
    return operator_policy(playbook, **wish)


@pytest.mark.parametrize(
    ("playbook", "request_", "verdict"),
    [
        ("deregister", Request("ecs:UpdateContainerInstancesState", f"{ECS}:container-instance/edge/1"), "allowed"),
        ("deregister", Request("ecs:UpdateContainerInstancesState", f"{ECS}:container-instance/other/1"), "denied"),
        ("deregister", Request("ecs:DeregisterContainerInstance", f"{ECS}:cluster/edge"), "allowed"),
        ("deregister", Request("ecs:StopTask", f"{ECS}:task/edge/1"), "allowed"),
        ("deregister", Request("ecs:StopTask", f"{ECS}:task/other/1"), "denied"),
        ("deregister", Request("ssm:DeregisterManagedInstance", f"{NODES}/mi-1"), "allowed"),
        ("deregister", Request("ssm:CreateActivation", "*", HERE), "denied"),
        ("register", Request("ssm:DeregisterManagedInstance", f"{NODES}/mi-1"), "allowed"),
        ("audit", Request("ssm:DeregisterManagedInstance", f"{NODES}/mi-1"), "denied"),
        ("upgrade", Request("ecs:DescribeContainerInstances", f"{ECS}:container-instance/edge/1"), "allowed"),
        ("smoke_test", Request("ecs:StartTask", f"{ECS}:task-definition/ecs-anywhere-smoke-test:7"), "allowed"),
        ("smoke_test", Request("ecs:StartTask", f"{ECS}:task-definition/web:7"), "denied"),
        ("smoke_test", Request("ecs:DeregisterTaskDefinition", "*", HERE), "allowed"),
        ("smoke_test", Request("ecs:StopTask", f"{ECS}:task/edge/1"), "denied"),
        ("upgrade", Request("ecs:UpdateContainerInstancesState", f"{ECS}:container-instance/edge/1"), "allowed"),
        ("upgrade", Request("ecs:PutAttributes", f"{ECS}:container-instance/edge/1"), "allowed"),
        ("upgrade", Request("ecs:DeleteAttributes", f"{ECS}:container-instance/edge/1"), "allowed"),
        ("upgrade", Request("ecs:DeleteAttributes", f"{ECS}:container-instance/other/1"), "denied"),
        ("register", Request("ecs:DeleteAttributes", f"{ECS}:container-instance/edge/1"), "allowed"),
        ("deregister", Request("ecs:DeleteAttributes", f"{ECS}:container-instance/edge/1"), "allowed"),
        ("upgrade", Request("ecs:DeregisterContainerInstance", f"{ECS}:container-instance/edge/1"), "denied"),
        ("register", Request("ecs:DescribeClusters", f"{ECS}:cluster/edge"), "allowed"),
        ("register", Request("ecs:DescribeClusters", f"{ECS}:cluster/other"), "denied"),
        ("register", Request("ecs:DescribeContainerInstances", f"{ECS}:container-instance/edge/1"), "allowed"),
        ("register", Request("ecs:DescribeContainerInstances", f"{ECS}:container-instance/other/1"), "denied"),
        ("register", Request("ecs:DeregisterContainerInstance", f"{ECS}:cluster/edge"), "allowed"),
        ("register", Request("ecs:DeregisterContainerInstance", f"{ECS}:cluster/other"), "denied"),
        ("register", Request("ssm:CreateActivation", "*", HERE), "allowed"),
        ("register", Request("ssm:CreateActivation", "*", {"aws:RequestedRegion": "us-east-1"}), "denied"),
        (
            "register",
            Request("iam:PassRole", f"{IAM}:role/ecsAnywhereRole", {"iam:PassedToService": "ssm.amazonaws.com"}),
            "allowed",
        ),
        (
            "register",
            Request("iam:PassRole", f"{IAM}:role/ecsAnywhereRole", {"iam:PassedToService": "ec2.amazonaws.com"}),
            "denied",
        ),
        (
            "register",
            Request("iam:PassRole", f"{IAM}:role/Admin", {"iam:PassedToService": "ssm.amazonaws.com"}),
            "denied",
        ),
        (
            "register",
            Request(
                "iam:AttachRolePolicy",
                f"{IAM}:role/ecsAnywhereRole",
                {"iam:PolicyARN": "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"},
            ),
            "allowed",
        ),
        (
            "register",
            Request(
                "iam:AttachRolePolicy",
                f"{IAM}:role/ecsAnywhereRole",
                {"iam:PolicyARN": "arn:aws:iam::aws:policy/AdministratorAccess"},
            ),
            "denied",
        ),
        ("audit", Request("iam:GetRole", f"{IAM}:role/edge/any"), "allowed"),
        ("audit", Request("iam:GetPolicyVersion", "arn:aws:iam::aws:policy/X"), "allowed"),
        ("audit", Request("iam:CreateRole", f"{IAM}:role/any"), "denied"),
        ("audit", Request("ssm:CreateActivation", "*", HERE), "denied"),
    ],
)
def test_who_may_what(playbook, request_, verdict):
    assert evaluate([Policy("operator", policy(playbook))], None, request_).verdict == verdict


@pytest.mark.parametrize(
    ("playbook", "manage_cluster", "cluster", "verdict"),
    [
        ("register", True, "edge", "allowed"),
        ("register", True, "other", "denied"),
        ("register", False, "edge", "denied"),
        ("upgrade", True, "edge", "denied"),
    ],
)
def test_who_may_create_clusters(playbook, manage_cluster, cluster, verdict):
    document = policy(playbook, manage_cluster=manage_cluster)
    request = Request("ecs:CreateCluster", f"{ECS}:cluster/{cluster}")
    assert evaluate([Policy("operator", document)], None, request).verdict == verdict


@pytest.mark.parametrize("playbook", sorted(PLAYBOOKS))
def test_what_can_be_bound_is_bound(playbook):
    for statement in policy(playbook)["Statement"]:
        assert statement["Resource"] != ["*"] or "Condition" in statement or statement["Action"] == ["iam:ListRoles"]
        assert "*" not in "".join(statement["Action"])


@pytest.mark.parametrize("playbook", ["audit", "status"])
def test_what_only_reads(playbook):
    actions = {action for statement in policy(playbook)["Statement"] for action in statement["Action"]}
    assert actions and all(action.split(":")[1].startswith(("Get", "List", "Describe")) for action in actions)


@pytest.mark.parametrize(
    ("region", "partition"),
    [("eu-west-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eusc-de-east-1", "aws-eusc")],
)
def test_partitions_and_role(region, partition):
    found = policy(regions=[region], iam_role="edge/node")
    assert {r.split(":")[1] for s in found["Statement"] for r in s["Resource"] if r != "*"} == {partition}
    assert f"arn:{partition}:iam::{ACCOUNT}:role/edge/node" in str(found)
    assert f"arn:{partition}:iam::aws:policy/AmazonSSMManagedInstanceCore" in str(found)


def test_the_order_of_a_wish_does_not_matter():
    one = policy(regions=["us-east-1", "eu-west-1"], clusters=["b", "a"])
    assert one == policy(regions=["eu-west-1", "us-east-1"], clusters=["a", "b", "a"])


@pytest.mark.parametrize(
    ("playbook", "changes", "words"),
    [
        (
            "nosuch",
            {},
            "no playbook 'nosuch'. There are audit, deregister, prune, register, smoke_test, status, upgrade",
        ),
        ("audit", {"regions": []}, "regions: "),
        ("audit", {"clusters": ["*"]}, "clusters: "),
        ("audit", {"acount": "1"}, "acount"),
    ],
)
def test_bad_input(playbook, changes, words):
    with pytest.raises(AnsibleFilterError, match=words):
        policy(playbook, **changes)
