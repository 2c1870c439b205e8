# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import json
import re

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._node_policy import FEATURES
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._node_policy import SIZE_LIMIT
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._node_policy import node_policy
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._node_policy import problem_of
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._node_policy import size_of
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

ACCOUNT = "123456789012"
ECS = f"arn:aws:ecs:eu-west-1:{ACCOUNT}"
SSM = f"arn:aws:ssm:eu-west-1:{ACCOUNT}"
EDGE = f"{ECS}:cluster/edge"
IN_REGION = {"StringEquals": {"aws:RequestedRegion": ["eu-west-1"]}}

MINIMUM = {
    "Region": (
        [
            "ec2messages:GetMessages",
            "ecs:DiscoverPollEndpoint",
            "ssmmessages:CreateControlChannel",
            "ssmmessages:OpenControlChannel",
        ],
        ["*"],
        IN_REGION,
    ),
    "Clusters": (
        [
            "ecs:RegisterContainerInstance",
            "ecs:SubmitAttachmentStateChanges",
            "ecs:SubmitContainerStateChange",
            "ecs:SubmitTaskStateChange",
        ],
        [EDGE],
        None,
    ),
    "ContainerInstances": (
        ["ecs:ListTagsForResource", "ecs:Poll", "ecs:StartTelemetrySession"],
        [f"{ECS}:container-instance/edge/*"],
        None,
    ),
    "Tasks": (["ecs:ListTagsForResource"], [f"{ECS}:task/edge/*"], None),
    "ManagedNodes": (
        ["ssm:ListInstanceAssociations", "ssm:UpdateInstanceInformation"],
        [f"{SSM}:managed-instance/*"],
        None,
    ),
}

COMMANDS = {f"ec2messages:{name}" for name in ("AcknowledgeMessage", "DeleteMessage", "FailMessage", "SendReply")}
COMMANDS |= {"ssm:GetDocument"}
ASSOCIATIONS = {
    f"ssm:{name}"
    for name in (
        "DescribeAssociation",
        "GetDocument",
        "ListAssociations",
        "PutComplianceItems",
        "UpdateAssociationStatus",
        "UpdateInstanceAssociationStatus",
    )
}
PULL = {"GetAuthorizationToken", "BatchCheckLayerAvailability", "GetDownloadUrlForLayer", "BatchGetImage"}
ADDED = {
    "cloudwatch_logs": {"logs:CreateLogStream", "logs:PutLogEvents"},
    "distributor": {*COMMANDS, "ssm:DescribeDocument", "ssm:GetManifest", "ssm:PutConfigurePackageResult"},
    "ecr_pull": {f"ecr:{name}" for name in PULL},
    "ecs_exec": set(),
    "instance_tags": {"ecs:TagResource"},
    "inventory": {*ASSOCIATIONS, "ssm:PutInventory"},
    "patch_manager": {*COMMANDS, *ASSOCIATIONS, "ssm:GetDeployablePatchSnapshotForInstance", "ssm:PutInventory"},
    "run_command": COMMANDS,
    "session_manager": {"ssmmessages:CreateDataChannel", "ssmmessages:OpenDataChannel"},
    "state_manager": ASSOCIATIONS,
}


def policy(clusters=("edge",), regions=("eu-west-1",), features=(), partition="aws"):
    return node_policy(clusters=clusters, regions=regions, features=features, partition=partition, account=ACCOUNT)


def by_sid(document):
    found = {s["Sid"]: (s["Action"], s["Resource"], s.get("Condition")) for s in document["Statement"]}
    assert len(found) == len(document["Statement"])
    assert document["Version"] == "2012-10-17" and {s["Effect"] for s in document["Statement"]} == {"Allow"}
    return found


def actions(document):
    return {action for statement in document["Statement"] for action in statement["Action"]}


def resources(document):
    return [resource for statement in document["Statement"] for resource in statement["Resource"]]


def test_the_minimum():
    assert by_sid(policy()) == MINIMUM


@pytest.mark.parametrize("feature", sorted(ADDED))
def test_what_a_feature_adds(feature):
    assert actions(policy(features=[feature])) - actions(policy()) == ADDED[feature]


def test_every_feature_is_in_the_table_and_explained():
    assert set(FEATURES) == set(ADDED)
    for feature in FEATURES.values():
        assert feature.summary.endswith(".") and feature.source.startswith("https://docs.aws.amazon.com/")


def test_tags_are_allowed_at_registration_only():
    tags = by_sid(policy(features=["instance_tags"]))["Registration"]
    assert tags == (
        ["ecs:TagResource"],
        [f"{ECS}:container-instance/edge/*"],
        {"StringEquals": {"ecs:CreateAction": "RegisterContainerInstance"}},
    )


@pytest.mark.parametrize(
    ("feature", "sid", "expected"),
    [
        ("ecr_pull", "Repositories", [f"arn:aws:ecr:eu-west-1:{ACCOUNT}:repository/*"]),
        ("cloudwatch_logs", "LogStreams", [f"arn:aws:logs:eu-west-1:{ACCOUNT}:log-group:*:log-stream:*"]),
        ("run_command", "Documents", ["arn:aws:ssm:eu-west-1:*:document/*"]),
        (
            "state_manager",
            "Associations",
            ["arn:aws:ssm:eu-west-1:*:document/*", f"{SSM}:association/*", f"{SSM}:managed-instance/*"],
        ),
    ],
)
def test_features_are_scoped(feature, sid, expected):
    assert by_sid(policy(features=[feature]))[sid][1] == expected


@pytest.mark.parametrize(
    ("clusters", "regions", "found", "all_regions"),
    [
        ([], ["eu-west-1"], ["eu-west-1:*"], ["eu-west-1"]),
        (["b", "a"], ["eu-west-1"], ["eu-west-1:a", "eu-west-1:b"], ["eu-west-1"]),
        (["a"], ["us-east-1", "eu-west-1"], ["eu-west-1:a", "us-east-1:a"], ["eu-west-1", "us-east-1"]),
        ([EDGE], [], ["eu-west-1:edge"], ["eu-west-1"]),
        # a name means the Regions that are given, an ARN its own
        (["a", EDGE], ["us-east-1"], ["eu-west-1:edge", "us-east-1:a"], ["eu-west-1", "us-east-1"]),
        ([EDGE, "edge", EDGE], ["eu-west-1"], ["eu-west-1:edge"], ["eu-west-1"]),
    ],
)
def test_clusters_by_name_and_arn(clusters, regions, found, all_regions):
    assert problem_of(clusters, regions, []) is None
    statements = by_sid(policy(clusters, regions))
    assert [":".join(re.split(":cluster/|:", r)[3::2]) for r in statements["Clusters"][1]] == found
    assert statements["Region"][2] == {"StringEquals": {"aws:RequestedRegion": all_regions}}
    assert len(statements["ManagedNodes"][1]) == len(all_regions)


def test_all_clusters_means_all_of_the_account_in_these_regions():
    assert by_sid(policy(clusters=()))["ContainerInstances"][1] == [f"{ECS}:container-instance/*/*"]


@pytest.mark.parametrize(
    ("partition", "region"),
    [("aws", "eu-west-1"), ("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-west-1"), ("aws-eusc", "eusc-de-east-1")],
)
def test_partitions(partition, region):
    assert problem_of([], [region], FEATURES) is None
    document = policy(regions=[region], features=FEATURES, partition=partition)
    assert {r.split(":")[1] for r in resources(document) if r != "*"} == {partition}
    assert {r.split(":")[3] for r in resources(document) if r != "*"} == {region}


FORBIDDEN = re.compile(
    r"ssm:GetParameters?$|ecs:(Deregister|CreateCluster|UpdateContainer)|(ec2|iam|sts|s3|kms|secretsmanager):|.*\*"
)


def test_what_is_never_allowed():
    found = actions(policy(features=FEATURES))
    assert not [a for a in found if FORBIDDEN.match(a)]
    # Where only * can be named, the Region is.
    for statement in policy(features=FEATURES)["Statement"]:
        assert (statement["Resource"] == ["*"]) == (statement.get("Condition") == IN_REGION)


@pytest.mark.parametrize(
    ("clusters", "regions", "features", "words"),
    [
        (["edge"], ["eu-west-1"], ["ecr"], "features: there is no feature 'ecr'. There are cloudwatch_logs, "),
        (["edge"], ["Ireland"], [], "regions: 'Ireland' is not the name of a Region"),
        (["no spaces"], ["eu-west-1"], [], "clusters: 'no spaces' is neither the name nor the ARN"),
        (["*"], ["eu-west-1"], [], "clusters: '*' is neither"),
        (["arn:aws:ecs:eu-west-1:123456789012:service/x"], [], [], "clusters: 'arn:aws:ecs:eu-west-1"),
        ([EDGE + "*"], [], [], "clusters: 'arn:aws:ecs:eu-west-1"),
        ([""], ["eu-west-1"], [], "clusters: '' is neither"),
        (["edge"], [], [], "regions: name the Regions of the cluster edge, or give its ARN in clusters"),
        ([EDGE, "x"], [], [], "regions: name the Regions of the cluster x"),
        ([], [], [], "regions: name at least one Region"),
        ([], ["eu-west-1", "cn-north-1"], [], "regions: one role cannot serve the partitions aws and aws-cn"),
        ([f"c{n}" for n in range(100)], ["eu-west-1"], [], "clusters: the policy would have "),
    ],
)
def test_problems(clusters, regions, features, words):
    assert (problem_of(clusters, regions, features) or "").startswith(words)


@pytest.mark.parametrize("arn", [EDGE.replace(ACCOUNT, "999999999999"), EDGE.replace("arn:aws:", "arn:aws-cn:")])
def test_clusters_of_somebody_else(arn):
    with pytest.raises(ValueError, match=r"clusters: .* of the account of its role only"):
        policy([arn])


def test_size_leaves_room_for_a_realistic_fleet():
    assert problem_of([f"factory-{n}-edge" for n in range(10)], ["eu-west-1", "us-east-1"], FEATURES) is None
    assert size_of(policy([], features=FEATURES)) < SIZE_LIMIT / 2
    assert size_of(policy()) < 2000


def test_size_is_counted_without_white_space():
    assert size_of({"a": "b c", "d": [1]}) == len('{"a":"bc","d":[1]}')


names = st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True)
regions = st.sampled_from(["eu-west-1", "us-east-1", "ap-southeast-2", "il-central-1"])
clusters = st.one_of(names, st.builds(lambda r, n: f"arn:aws:ecs:{r}:{ACCOUNT}:cluster/{n}", regions, names))
wishes = st.tuples(
    st.lists(clusters, max_size=40), st.lists(regions, max_size=4), st.lists(st.sampled_from(sorted(FEATURES)))
)


@settings(max_examples=80, deadline=None)
@given(wishes, st.randoms(use_true_random=False))
def test_any_wish_is_a_valid_policy_within_iams_limits_or_a_problem(wish, random):
    if problem_of(*wish):
        return
    document = policy(*wish)
    assert json.loads(json.dumps(document)) == document
    assert size_of(document) <= SIZE_LIMIT
    for sid, (names, on, _condition) in by_sid(document).items():
        assert re.fullmatch("[A-Za-z0-9]+", sid) and names and on
        assert names == sorted(set(names)) and on == sorted(set(on))
    shuffled = [random.sample(part, len(part)) + part[:1] for part in wish]
    assert policy(*shuffled) == document


@settings(max_examples=50, deadline=None)
@given(st.integers(20, 90), st.lists(st.sampled_from(sorted(FEATURES))))
def test_problem_of_knows_the_exact_size(count, features):
    many = [f"cluster-{n}" for n in range(count)]
    too_big = size_of(policy(many, features=features)) > SIZE_LIMIT
    assert too_big == bool(problem_of(many, ["eu-west-1"], features))
