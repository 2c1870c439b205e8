# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The least that the agents of an external instance must be allowed. Pure functions, private to this collection.

What the agents call was read in the source of the ECS agent 1.105 and seen of the SSM agent 3.3; on which resources and
under which conditions an action can be allowed is AWS's Service Authorization Reference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

POLICY_NAME = "ECSAnywhereLeastPrivilege"
SIZE_LIMIT = 10240  # of all inline policies of a role together; IAM does not count white space

_SSM_GUIDE = "https://docs.aws.amazon.com/systems-manager/latest/userguide/"
_ECS_GUIDE = "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/"

_CLUSTER_ARN = re.compile(r"arn:(?P<partition>aws[\w-]*):ecs:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):cluster/(.+)")
_CLUSTER_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+")
_PARTITIONS = (
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("eusc-", "aws-eusc"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
)


class Scope(NamedTuple):
    """On what some actions are allowed: a statement of the policy."""

    sid: str
    resources: tuple[str, ...]  # {partition}, {region}, {account}, and {cluster} where the cluster is part of the name
    condition: tuple[str, str] | None = None


# Nothing else can be named for these; the Region can.
ANYTHING = Scope("Region", ("*",))
CLUSTER = Scope("Clusters", ("arn:{partition}:ecs:{region}:{account}:cluster/{cluster}",))
INSTANCE = Scope("ContainerInstances", ("arn:{partition}:ecs:{region}:{account}:container-instance/{cluster}/*",))
TASK = Scope("Tasks", ("arn:{partition}:ecs:{region}:{account}:task/{cluster}/*",))
REGISTRATION = Scope("Registration", INSTANCE.resources, ("ecs:CreateAction", "RegisterContainerInstance"))
NODE = Scope("ManagedNodes", ("arn:{partition}:ssm:{region}:{account}:managed-instance/*",))
# AWS's own documents have no account, shared ones another.
DOCUMENT = Scope("Documents", ("arn:{partition}:ssm:{region}:*:document/*",))
ASSOCIATION = Scope(
    "Associations",
    ("arn:{partition}:ssm:{region}:{account}:association/*", *DOCUMENT.resources, *NODE.resources),
)
REPOSITORY = Scope("Repositories", ("arn:{partition}:ecr:{region}:{account}:repository/*",))
LOG_STREAM = Scope("LogStreams", ("arn:{partition}:logs:{region}:{account}:log-group:*:log-stream:*",))


class Feature(NamedTuple):
    """What some use of a server wants to be allowed, beyond the minimum."""

    summary: str
    grants: tuple[tuple[str, Scope], ...]
    source: str


_COMMANDS = (
    ("ec2messages:AcknowledgeMessage", ANYTHING),
    ("ec2messages:DeleteMessage", ANYTHING),
    ("ec2messages:FailMessage", ANYTHING),
    ("ec2messages:SendReply", ANYTHING),
    ("ssm:GetDocument", DOCUMENT),
)
_ASSOCIATIONS = (
    ("ssm:DescribeAssociation", ASSOCIATION),
    ("ssm:GetDocument", DOCUMENT),
    ("ssm:ListAssociations", ANYTHING),
    ("ssm:PutComplianceItems", NODE),
    ("ssm:UpdateAssociationStatus", ASSOCIATION),
    ("ssm:UpdateInstanceAssociationStatus", ASSOCIATION),
)

MINIMUM = Feature(
    "Both agents register, stay connected, and run tasks.",
    (
        # The SSM agent: its ping, its list of associations, its channel, and the polling until the channel is open.
        ("ssm:UpdateInstanceInformation", NODE),
        ("ssm:ListInstanceAssociations", NODE),
        ("ssmmessages:CreateControlChannel", ANYTHING),
        ("ssmmessages:OpenControlChannel", ANYTHING),
        ("ec2messages:GetMessages", ANYTHING),
        # The ECS agent.
        ("ecs:DiscoverPollEndpoint", ANYTHING),
        ("ecs:RegisterContainerInstance", CLUSTER),
        ("ecs:SubmitAttachmentStateChanges", CLUSTER),
        ("ecs:SubmitContainerStateChange", CLUSTER),
        ("ecs:SubmitTaskStateChange", CLUSTER),
        ("ecs:Poll", INSTANCE),
        ("ecs:StartTelemetrySession", INSTANCE),
        ("ecs:ListTagsForResource", INSTANCE),
        ("ecs:ListTagsForResource", TASK),
    ),
    "the agents' own calls",
)

FEATURES: Mapping[str, Feature] = {
    "cloudwatch_logs": Feature(
        "Containers with the log driver awslogs write to existing log groups, though their task has no execution role.",
        (("logs:CreateLogStream", LOG_STREAM), ("logs:PutLogEvents", LOG_STREAM)),
        _ECS_GUIDE + "using_awslogs.html",
    ),
    "distributor": Feature(
        "Packages are installed by AWS-ConfigureAWSPackage. Implies run_command.",
        (
            *_COMMANDS,
            ("ssm:DescribeDocument", DOCUMENT),
            ("ssm:GetManifest", ANYTHING),
            ("ssm:PutConfigurePackageResult", ANYTHING),
        ),
        _SSM_GUIDE + "distributor.html",
    ),
    "ecr_pull": Feature(
        "Images of the account's private repositories are pulled for tasks that have no execution role.",
        (
            ("ecr:BatchCheckLayerAvailability", REPOSITORY),
            ("ecr:BatchGetImage", REPOSITORY),
            ("ecr:GetAuthorizationToken", ANYTHING),
            ("ecr:GetDownloadUrlForLayer", REPOSITORY),
        ),
        _ECS_GUIDE + "task_execution_IAM_role.html",
    ),
    "ecs_exec": Feature(
        "Adds nothing: the agent inside a container works with the task role, which is what must be allowed ECS Exec.",
        (),
        _ECS_GUIDE + "ecs-exec.html",
    ),
    "instance_tags": Feature(
        "The ECS agent tags its container instance when it registers (ECS_CONTAINER_INSTANCE_TAGS), and only then.",
        (("ecs:TagResource", REGISTRATION),),
        _ECS_GUIDE + "supported-iam-actions-tagging.html",
    ),
    "inventory": Feature(
        "Systems Manager collects an inventory, by an association. Implies state_manager.",
        (*_ASSOCIATIONS, ("ssm:PutInventory", ANYTHING)),
        _SSM_GUIDE + "systems-manager-inventory.html",
    ),
    "patch_manager": Feature(
        "Patch Manager scans and installs, by a command or an association. Implies run_command and state_manager.",
        (
            *_COMMANDS,
            *_ASSOCIATIONS,
            ("ssm:GetDeployablePatchSnapshotForInstance", ANYTHING),
            ("ssm:PutInventory", ANYTHING),
        ),
        _SSM_GUIDE + "patch-manager.html",
    ),
    "run_command": Feature(
        "Run Command, also on agents that have no channel and poll for messages.",
        _COMMANDS,
        _SSM_GUIDE + "run-command.html",
    ),
    "session_manager": Feature(
        "Session Manager opens shells and forwards ports. Logging sessions to S3 or CloudWatch needs more.",
        (("ssmmessages:CreateDataChannel", ANYTHING), ("ssmmessages:OpenDataChannel", ANYTHING)),
        _SSM_GUIDE + "getting-started-create-iam-instance-profile.html",
    ),
    "state_manager": Feature(
        "State Manager applies associations and learns how they went.",
        _ASSOCIATIONS,
        _SSM_GUIDE + "systems-manager-state.html",
    ),
}


class Need(NamedTuple):
    """An action that must be allowed on some resources, and what for."""

    action: str
    scope: Scope
    features: tuple[str, ...]  # the features that want it, none for the minimum


def needs(features: Collection[str]) -> list[Need]:
    """Every action of the minimum and of the features, once for each scope, sorted."""
    wanted: dict[tuple[str, Scope], set[str]] = {grant: set() for grant in MINIMUM.grants}
    for name in features:
        for grant in FEATURES[name].grants:
            wanted.setdefault(grant, set()).add(name)
    return [
        Need(action, scope, () if (action, scope) in MINIMUM.grants else tuple(sorted(names)))
        for (action, scope), names in sorted(wanted.items())
    ]


def resources_of(
    scope: Scope, *, clusters: Sequence[str], regions: Sequence[str], partition: str, account: str
) -> list[str]:
    """The resources of a scope, sorted."""
    found = set()
    for region, names in sorted(places(clusters, regions).items()):
        for pattern in scope.resources:
            for cluster in sorted(names) if "{cluster}" in pattern else [""]:
                found.add(pattern.format(partition=partition, region=region, account=account, cluster=cluster))
    return sorted(found)


def regions_of(clusters: Sequence[str], regions: Sequence[str]) -> list[str]:
    """The Regions that are meant: those given, and those of clusters given by ARN."""
    return sorted(places(clusters, regions))


def node_policy(
    *, clusters: Sequence[str], regions: Sequence[str], features: Collection[str], partition: str, account: str
) -> dict[str, Any]:
    """The policy document. Equal wishes give equal documents, in whatever order they are written."""
    for cluster in clusters:
        arn = _CLUSTER_ARN.fullmatch(cluster)
        if arn and (arn.group("partition"), arn.group("account")) != (partition, account):
            raise ValueError(
                f"clusters: {cluster} is of account {arn.group('account')} in partition {arn.group('partition')}, the "
                f"role of account {account} in partition {partition}. An external instance joins clusters of the "
                "account of its role only."
            )
    actions: dict[Scope, set[str]] = {}
    for need in needs(features):
        actions.setdefault(need.scope, set()).add(need.action)
    statements = []
    for scope, names in sorted(actions.items()):
        statement: dict[str, Any] = {
            "Sid": scope.sid,
            "Effect": "Allow",
            "Action": sorted(names),
            "Resource": resources_of(scope, clusters=clusters, regions=regions, partition=partition, account=account),
        }
        if scope.condition:
            statement["Condition"] = {"StringEquals": {scope.condition[0]: scope.condition[1]}}
        elif scope == ANYTHING:
            statement["Condition"] = {"StringEquals": {"aws:RequestedRegion": regions_of(clusters, regions)}}
        statements.append(statement)
    return {"Version": "2012-10-17", "Statement": statements}


def size_of(document: Mapping[str, Any]) -> int:
    """As IAM counts it."""
    return len(re.sub(r"\s", "", json.dumps(document)))


def problem_of(clusters: Sequence[str], regions: Sequence[str], features: Collection[str]) -> str | None:
    """What is wrong with a wish, in a sentence that names the option."""
    for feature in features:
        if feature not in FEATURES:
            return f"features: there is no feature {feature!r}. There are {', '.join(sorted(FEATURES))}."
    for region in regions:
        if not _REGION.fullmatch(region):
            return f"regions: {region!r} is not the name of a Region such as eu-west-1"
    for cluster in clusters:
        arn = _CLUSTER_ARN.fullmatch(cluster)
        if not _CLUSTER_NAME.fullmatch(arn.group(4) if arn else cluster):
            return f"clusters: {cluster!r} is neither the name nor the ARN of an ECS cluster"
        if not arn and not regions:
            return f"regions: name the Regions of the cluster {cluster}, or give its ARN in clusters"
    if not clusters and not regions:
        return "regions: name at least one Region"
    partitions = {partition_of(region) for region in regions_of(clusters, regions)}
    if len(partitions) > 1:
        return f"regions: one role cannot serve the partitions {' and '.join(sorted(partitions))}"
    size = _size(clusters, regions, features, partitions.pop())
    if size > SIZE_LIMIT:
        return (
            f"clusters: the policy would have {size} characters, and IAM takes {SIZE_LIMIT} in all inline policies of "
            "a role. Name fewer clusters, Regions or features, or no clusters, which means all of the account."
        )
    return None


def _size(clusters: Sequence[str], regions: Sequence[str], features: Collection[str], partition: str) -> int:
    """The account has always twelve digits, so the size is known before the account is."""
    account = "000000000000"
    names = [_CLUSTER_ARN.sub(r"arn:\1:ecs:\2:000000000000:cluster/\4", cluster) for cluster in clusters]
    names = [re.sub(r"^arn:[\w-]+:", f"arn:{partition}:", name) for name in names]
    return size_of(
        node_policy(clusters=names, regions=regions, features=features, partition=partition, account=account)
    )


def partition_of(region: str) -> str:
    """The partition by the Region's name."""
    return next((partition for prefix, partition in _PARTITIONS if region.startswith(prefix)), "aws")


def places(clusters: Sequence[str], regions: Sequence[str]) -> dict[str, set[str]]:
    """Which clusters are meant in which Region; * for all."""
    places: dict[str, set[str]] = {region: set() for region in regions}
    for cluster in clusters:
        arn = _CLUSTER_ARN.fullmatch(cluster)
        if arn:
            places.setdefault(arn.group("region"), set()).add(arn.group(4))
        else:
            for region in regions:
                places[region].add(cluster)
    return {region: names if clusters else {"*"} for region, names in places.items()}
