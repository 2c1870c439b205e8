# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The least that somebody must be allowed to run a playbook of this collection. Pure functions, private to it."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from ._node_policy import partition_of
from ._node_policy import places


class Right(NamedTuple):
    """Some actions on some resources: a statement of the policy."""

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]  # {partition}, {region}, {account}, {cluster}, {role}
    condition: Mapping[str, Mapping[str, Any]] = {}


ROLE = "arn:{partition}:iam::{account}:role/{role}"
CLUSTER = "arn:{partition}:ecs:{region}:{account}:cluster/{cluster}"
INSTANCE = "arn:{partition}:ecs:{region}:{account}:container-instance/{cluster}/*"
TASK = "arn:{partition}:ecs:{region}:{account}:task/{cluster}/*"
SMOKE_TEST = "arn:{partition}:ecs:{region}:{account}:task-definition/ecs-anywhere-smoke-test:*"
NODE = "arn:{partition}:ssm:{region}:{account}:managed-instance/*"
NODE_POLICIES = [
    "arn:{partition}:iam::aws:policy/AmazonSSMManagedInstanceCore",
    "arn:{partition}:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role",
]
IN_REGIONS = {"StringEquals": {"aws:RequestedRegion": "{regions}"}}

READ_FLEET = (
    Right("ListClusters", ("ecs:ListClusters",), ("*",), IN_REGIONS),
    Right("ReadClusters", ("ecs:DescribeClusters", "ecs:ListContainerInstances"), (CLUSTER,)),
    Right("ReadInstances", ("ecs:DescribeContainerInstances",), (INSTANCE,)),
    Right("ReadNodes", ("ssm:DescribeInstanceInformation",), ("*",), IN_REGIONS),
)

# One entry for each playbook; a test runs the calls of each as a user who may do just this.
PLAYBOOKS: Mapping[str, tuple[Right, ...]] = {
    "audit": (
        Right("ListRoles", ("iam:ListRoles",), ("*",)),
        Right(
            "ReadRoles",
            ("iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies"),
            ("arn:{partition}:iam::{account}:role/*",),
        ),
        Right(
            "ReadPolicies",
            ("iam:GetPolicy", "iam:GetPolicyVersion"),
            ("arn:{partition}:iam::{account}:policy/*", "arn:{partition}:iam::aws:policy/*"),
        ),
        Right("ReadNodes", ("ssm:DescribeInstanceInformation",), ("*",), IN_REGIONS),
    ),
    "deregister": (
        Right("ReadClusters", ("ecs:DescribeClusters", "ecs:ListContainerInstances"), (CLUSTER,)),
        Right(
            "DrainInstances",
            ("ecs:DescribeContainerInstances", "ecs:UpdateContainerInstancesState", "ecs:ListTasks"),
            (INSTANCE,),
        ),
        # where an upgrade was killed
        Right("RemoveMarks", ("ecs:DeleteAttributes",), (INSTANCE,)),
        Right("StopTasks", ("ecs:DescribeTasks", "ecs:StopTask"), (TASK,)),
        Right("DeregisterInstances", ("ecs:DeregisterContainerInstance",), (CLUSTER, INSTANCE)),
        Right("ReadNodes", ("ssm:DescribeInstanceInformation",), ("*",), IN_REGIONS),
        Right("DeregisterNodes", ("ssm:DeregisterManagedInstance",), (NODE,)),
    ),
    "prune": (
        *READ_FLEET,
        Right("RemoveInstances", ("ecs:DeregisterContainerInstance",), (CLUSTER, INSTANCE)),
        Right("RemoveNodes", ("ssm:DeregisterManagedInstance",), (NODE,)),
    ),
    "status": READ_FLEET,
    "register": (
        Right("ReadClusters", ("ecs:DescribeClusters", "ecs:ListContainerInstances"), (CLUSTER,)),
        Right("ReadInstances", ("ecs:DescribeContainerInstances",), (INSTANCE,)),
        Right("RetireInstances", ("ecs:DeregisterContainerInstance",), (CLUSTER, INSTANCE)),
        # attributes are removed where an upgrade was killed
        Right("MoveInstances", ("ecs:UpdateContainerInstancesState", "ecs:DeleteAttributes"), (INSTANCE,)),
        Right("LabelInstances", ("ecs:PutAttributes", "ecs:TagResource"), (INSTANCE,)),
        Right("LabelNodes", ("ssm:AddTagsToResource", "ssm:ListTagsForResource"), (NODE,)),
        Right("GiveUpNodes", ("ssm:DeregisterManagedInstance",), (NODE,)),
        Right(
            "NodesAndActivations",
            (
                "ssm:CreateActivation",
                "ssm:DeleteActivation",
                "ssm:DescribeActivations",
                "ssm:DescribeInstanceInformation",
            ),
            ("*",),
            IN_REGIONS,
        ),
        Right(
            "RepairTheRoleOfNodes",
            ("ssm:UpdateManagedInstanceRole",),
            (ROLE, NODE),
        ),
        Right(
            "GiveNodesTheirRole",
            ("iam:PassRole",),
            (ROLE,),
            {"StringEquals": {"iam:PassedToService": "ssm.amazonaws.com"}},
        ),
        Right(
            "KeepTheRoleRight",
            (
                "iam:CreateRole",
                "iam:GetRole",
                "iam:ListAttachedRolePolicies",
                "iam:ListRolePolicies",
                "iam:UpdateAssumeRolePolicy",
            ),
            (ROLE,),
        ),
        Right(
            "KeepItsPoliciesRight",
            ("iam:AttachRolePolicy",),
            (ROLE,),
            {"ArnEquals": {"iam:PolicyARN": NODE_POLICIES}},
        ),
    ),
    "smoke_test": (
        Right("ReadClusters", ("ecs:DescribeClusters", "ecs:ListContainerInstances"), (CLUSTER,)),
        Right("ReadInstances", ("ecs:DescribeContainerInstances", "ecs:ListTasks"), (INSTANCE,)),
        Right("ReadNodes", ("ssm:DescribeInstanceInformation",), ("*",), IN_REGIONS),
        Right("StartTasks", ("ecs:RegisterTaskDefinition", "ecs:StartTask"), (SMOKE_TEST,)),
        Right("ReadTasks", ("ecs:DescribeTasks",), (TASK,)),
        Right(
            "CleanUp",
            ("ecs:DeregisterTaskDefinition", "ecs:DescribeTaskDefinition"),
            ("*",),
            IN_REGIONS,
        ),
    ),
    "upgrade": (
        Right("ReadClusters", ("ecs:DescribeClusters", "ecs:ListContainerInstances"), (CLUSTER,)),
        Right("ReadInstances", ("ecs:DescribeContainerInstances",), (INSTANCE,)),
        # with ecs_anywhere_upgrade_drain, and after such a run that was killed
        Right("DrainInstances", ("ecs:UpdateContainerInstancesState", "ecs:ListTasks"), (INSTANCE,)),
        Right("MarkInstances", ("ecs:PutAttributes", "ecs:DeleteAttributes"), (INSTANCE,)),
        Right("StopTasks", ("ecs:DescribeTasks", "ecs:StopTask"), (TASK,)),
        Right("ReadNodes", ("ssm:DescribeInstanceInformation",), ("*",), IN_REGIONS),
    ),
}

# What a playbook needs besides with a variable that is off by default.
OPTIONS: Mapping[str, Mapping[str, tuple[Right, ...]]] = {
    "register": {"manage_cluster": (Right("CreateClusters", ("ecs:CreateCluster",), (CLUSTER,)),)},
}


def operator_policy(
    playbook: str,
    *,
    regions: Sequence[str],
    clusters: Sequence[str] = (),
    iam_role: str = "ecsAnywhereRole",
    account: str = "*",
    manage_cluster: bool = False,
) -> dict[str, Any]:
    """The policy document for one playbook. Equal wishes give equal documents."""
    if playbook not in PLAYBOOKS:
        raise ValueError(
            f"operator_policy: there is no playbook {playbook!r}. There are {', '.join(sorted(PLAYBOOKS))}."
        )
    where = [
        {
            "partition": partition_of(region),
            "account": account,
            "role": iam_role.lstrip("/"),
            "region": region,
            "cluster": cluster,
        }
        for region, names in sorted(places(clusters, regions).items())
        for cluster in sorted(names)
    ]
    in_regions = sorted({place["region"] for place in where})

    def filled(value: Any) -> Any:
        if value == "{regions}":
            return in_regions
        if isinstance(value, Mapping):
            return {key: filled(each) for key, each in value.items()}
        if isinstance(value, list):
            return [filled(each) for each in value]
        return value.format(**where[0])

    statements = []
    more = OPTIONS.get(playbook, {}).get("manage_cluster", ()) if manage_cluster else ()
    for right in (*PLAYBOOKS[playbook], *more):
        statement: dict[str, Any] = {
            "Sid": right.sid,
            "Effect": "Allow",
            "Action": sorted(right.actions),
            "Resource": sorted({resource.format(**place) for resource in right.resources for place in where}),
        }
        if right.condition:
            statement["Condition"] = filled(right.condition)
        statements.append(statement)
    return {"Version": "2012-10-17", "Statement": statements}
