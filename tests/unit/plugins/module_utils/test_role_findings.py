# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Each finding has a row that fails without it; a role that is right has none."""

from __future__ import annotations

import copy
import json

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _iam_actions
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _node_policy
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _role_excess
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _role_findings
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._policy_eval import Policy
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._role_excess import Wanted
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from moto.iam.aws_managed_policies import aws_managed_policies_data

ACCOUNT = "123456789012"
REGION = "eu-west-1"
EDGE = Wanted(["edge"], [REGION], [])
ALLOW = {"Effect": "Allow", "Principal": {"Service": "ssm.amazonaws.com"}, "Action": "sts:AssumeRole"}
SOURCE = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
STRICT = {**ALLOW, "Condition": SOURCE}
AWSS = json.loads(aws_managed_policies_data)
MANAGED = [
    Policy(name, AWSS[name]["Document"])
    for name in ("AmazonSSMManagedInstanceCore", "AmazonEC2ContainerServiceforEC2Role")
]


def role(*trust):
    return {
        "RoleName": "r",
        "Path": "/",
        "Arn": f"arn:aws:iam::{ACCOUNT}:role/r",
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": list(trust) or [STRICT]},
    }


def policy(*statements, name="extra"):
    return Policy(name, {"Version": "2012-10-17", "Statement": list(statements)})


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action, resource="*", **more):
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def least(wanted=EDGE, drop=()):
    document = _node_policy.node_policy(
        clusters=wanted.clusters,
        regions=wanted.regions,
        features=wanted.features or (),
        partition="aws",
        account=ACCOUNT,
    )
    for statement in document["Statement"]:
        statement["Action"] = [a for a in statement["Action"] if a not in drop]
    document["Statement"] = [s for s in document["Statement"] if s["Action"]]
    return Policy("least", document)


def findings(policies=None, boundary=None, wanted=EDGE, trust=()):
    return _role_findings.findings(role(*trust), [least(wanted)] if policies is None else policies, boundary, wanted)


def test_a_role_that_is_right_has_none():
    assert findings() == []


@pytest.mark.parametrize(
    ("case", "finding", "severity", "words"),
    [
        (
            {"trust": [{**STRICT, "Principal": {"Service": "ecs-tasks.amazonaws.com"}}]},
            "trust_wrong",
            "high",
            "cannot assume",
        ),
        (
            {"trust": [{**STRICT, "Condition": {"StringEquals": {"aws:SourceAccount": "999999999999"}}}]},
            "trust_wrong",
            "high",
            "no server can register",
        ),
        ({"trust": [ALLOW]}, "trust_unrestricted", "low", "aws:SourceAccount"),
        ({"trust": [STRICT, ALLOW]}, "trust_unrestricted", "low", "confused deputy"),
        (
            {"trust": [STRICT, {**STRICT, "Principal": "*", "Condition": {}}]},
            "trust_others",
            "high",
            "anybody may assume",
        ),
        ({"trust": [STRICT, {**STRICT, "Principal": {"AWS": "*"}}]}, "trust_others", "medium", "anybody may assume"),
        (
            {"trust": [{**STRICT, "Principal": {"Service": ["ssm.amazonaws.com", "ec2.amazonaws.com"]}}]},
            "trust_others",
            "medium",
            "ec2.amazonaws.com may assume",
        ),
        (
            {"trust": [STRICT, {**ALLOW, "Principal": {"AWS": "111111111111"}}]},
            "trust_others",
            "medium",
            "111111111111",
        ),
        ({"policies": [least(drop=["ecs:Poll"])]}, "action_missing", "high", "needs ecs:Poll, which the role r lacks"),
        (
            {"wanted": EDGE._replace(features=["session_manager"]), "policies": [least()]},
            "action_missing",
            "medium",
            "session_manager needs ssmmessages:CreateDataChannel, ssmmessages:OpenDataChannel",
        ),
        (
            {"policies": [least(), policy(deny("ecs:Poll", Sid="No"))]},
            "action_missing",
            "high",
            "statement No of extra denies it",
        ),
        (
            {"boundary": policy(allow(["ssm:*", "ssmmessages:*", "ec2messages:*"]), name="limit")},
            "action_missing",
            "high",
            "the permissions boundary does not allow it",
        ),
        (
            {"wanted": EDGE._replace(clusters=["other"]), "policies": [least()]},
            "action_missing",
            "high",
            "ecs:RegisterContainerInstance",
        ),
        (
            {"wanted": EDGE._replace(regions=["us-east-1"]), "policies": [least()]},
            "action_missing",
            "high",
            "needs ec2mess",
        ),
        (
            {"policies": [least(drop=["ecs:Poll"]), policy(allow("ecs:Poll", Condition={"Bool": {"x:y": "true"}}))]},
            "action_conditional",
            "info",
            "needs ecs:Poll; whether it is allowed depends",
        ),
        ({"policies": [least(), policy(allow("ssm:GetParameter*"))]}, "action_beyond_need", "high", "reads parameters"),
        (
            {"policies": [least(), policy(allow("ssm:GetParameter", "arn:aws:ssm:*:*:parameter/*"))]},
            "action_beyond_need",
            "high",
            "GetParameter on anything",
        ),
        (
            {"policies": [least(), policy(allow("ssm:GetParameter", "arn:aws:ssm:*:*:parameter/edge/*"))]},
            "action_beyond_need",
            "medium",
            "GetParameter on some resources",
        ),
        (
            {"policies": [least(), policy(allow("ecs:DeregisterContainerInstance"))]},
            "action_beyond_need",
            "high",
            "disconnects other servers",
        ),
        ({"policies": [least(), policy(allow("iam:PassRole"))]}, "action_beyond_need", "high", "who may do what"),
        ({"policies": [least(), policy(allow("sts:AssumeRole"))]}, "action_beyond_need", "high", "somebody else"),
        (
            {"policies": [least(), policy(allow("ssm:SendCommand"))]},
            "action_beyond_need",
            "high",
            "commands other servers",
        ),
        ({"policies": [least(), policy(allow("ecs:CreateCluster"))]}, "action_beyond_need", "medium", "CreateCluster"),
        ({"policies": [least(), policy(allow("ec2:DescribeTags"))]}, "action_beyond_need", "low", "ec2: DescribeTags"),
        ({"policies": [least(), policy({**allow(""), "NotAction": "s3:*"})]}, "action_beyond_need", "high", "iam: "),
        (
            {"policies": [least(), policy(allow("ecs:Poll"))]},
            "scope_beyond_need",
            "low",
            "1 actions that are needed are allowed on anything",
        ),
        (
            {"policies": [least(EDGE._replace(features=["ecr_pull"]))]},
            "feature_unused",
            "low",
            "ecr_pull is allowed, and not among the features",
        ),
        (
            {"policies": [least(EDGE._replace(features=["ecr_pull"]))], "wanted": EDGE._replace(features=None)},
            "feature_unused",
            "info",
            "ecr_pull is allowed",
        ),
    ],
)
def test_findings(case, finding, severity, words):
    found = [f for f in findings(**case) if (f.id, f.severity) == (finding, severity) and words in f.message]
    assert len(found) == 1 and found[0].evidence and found[0].repair
    # as a module returns it, it is plain data
    assert json.loads(json.dumps(_role_findings.shown(found[0])))["id"] == finding


def ids(found):
    return sorted({f.id for f in found})


@pytest.mark.parametrize(
    "case",
    [
        # named by a Deny, the source is restricted as well
        {
            "trust": [
                ALLOW,
                {**ALLOW, "Effect": "Deny", "Condition": {"StringNotEquals": {"aws:SourceAccount": ACCOUNT}}},
            ]
        },
        # no cluster is named, and the role is for one: that is not a lack
        {"wanted": EDGE._replace(clusters=[]), "policies": [least()]},
        # so are features that are allowed on some things only
        {
            "wanted": EDGE._replace(features=["ecr_pull"]),
            "policies": [
                least(),
                policy(
                    allow("ecr:GetAuthorizationToken"),
                    allow(
                        ["ecr:BatchGetImage", "ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer"],
                        f"arn:aws:ecr:*:{ACCOUNT}:repository/team/*",
                    ),
                ),
            ],
        },
        # the cluster by the condition that AWS has for it
        {
            "policies": [
                least(drop=["ecs:Poll"]),
                policy(
                    allow(
                        "ecs:Poll",
                        f"arn:aws:ecs:{REGION}:{ACCOUNT}:container-instance/*",
                        Condition={"ArnEquals": {"ecs:cluster": f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/edge"}},
                    )
                ),
            ]
        },
    ],
)
def test_what_is_not_found(case):
    assert findings(**case) == []


def test_the_severe_ones_come_first():
    found = [f.severity for f in findings([*MANAGED], trust=[ALLOW])]
    assert found == sorted(found, key=_role_excess.SEVERITIES.index) and set(found) == {"high", "medium", "low"}


def test_awss_own_policies_suffice_and_allow_far_more():
    everything = sorted(set(_node_policy.FEATURES))
    found = findings(MANAGED, wanted=EDGE._replace(features=everything))
    assert ids(found) == ["action_beyond_need", "scope_beyond_need"]
    high = {a["action"] for f in found if f.severity == "high" for a in f.evidence}
    assert high == {
        *("ssm:GetParameter", "ssm:GetParameters"),
        *("ecs:DeregisterContainerInstance", "ecs:UpdateContainerInstancesState"),
    }
    managed, own = _role_excess.counts(MANAGED, None), _role_excess.counts([least()], None)
    assert managed["allowed_actions"] > 3 * own["allowed_actions"]
    assert managed["on_any_resource"] > 10 * own["on_any_resource"]
    # what can be named of the least is not named * anywhere
    assert own["on_any_resource"] == sum(n.scope == _node_policy.ANYTHING for n in _node_policy.needs([]))


def test_a_role_that_only_may_be_one_for_servers_is_not_blamed_for_what_it_lacks():
    automation = [policy(allow("ec2:*"))]
    found = _role_findings.findings(role(), automation, None, EDGE, certain=False)
    assert [(f.id, f.severity) for f in found] == [("not_a_node_role", "info")]
    assert "action_missing" in ids(_role_findings.findings(role(), automation, None, EDGE))
    # one right of the agents makes it one
    half = [policy(allow("ssm:UpdateInstanceInformation"))]
    assert "action_missing" in ids(_role_findings.findings(role(), half, None, EDGE, certain=False))


@pytest.mark.parametrize(
    ("trust", "path", "expected"),
    [
        (STRICT, "/", True),
        ({**ALLOW, "Condition": {"StringEquals": {"aws:SourceAccount": "999999999999"}}}, "/edge/", True),
        ({**ALLOW, "Principal": {"Service": "ec2.amazonaws.com"}}, "/", False),
        ({**ALLOW, "Effect": "Deny"}, "/", False),
        ({**ALLOW, "Principal": "*"}, "/", False),
        (STRICT, "/aws-service-role/ssm.amazonaws.com/", False),
    ],
)
def test_which_roles_are_looked_at(trust, path, expected):
    assert _role_findings.is_node_role({**role(trust), "Path": path}) is expected


def test_what_a_boundary_cuts_is_not_counted():
    assert _role_excess.counts(MANAGED, policy(allow("ecs:Poll"))) == {"allowed_actions": 1, "on_any_resource": 1}
    assert _role_excess.counts([policy(allow("ecs:Poll"), deny("ecs:*"))], None)["allowed_actions"] == 0


NODES = [
    {"InstanceId": "mi-2", "IamRole": "AmazonSSMRoleForInstancesQuickSetup"},
    {"InstanceId": "mi-1", "IamRole": "AmazonSSMRoleForInstancesQuickSetup"},
    {"InstanceId": "mi-3", "IamRole": "edge/r"},
    {"InstanceId": "mi-4"},
]


@pytest.mark.parametrize(
    ("roles", "found"),
    [
        (["r"], {"AmazonSSMRoleForInstancesQuickSetup": ["mi-1", "mi-2"]}),
        (["AmazonSSMRoleForInstancesQuickSetup"], {"edge/r": ["mi-3"]}),
        ([], {"AmazonSSMRoleForInstancesQuickSetup": ["mi-1", "mi-2"], "edge/r": ["mi-3"]}),
        (["r", "AmazonSSMRoleForInstancesQuickSetup"], {}),
    ],
)
def test_nodes_whose_role_was_replaced(roles, found):
    replaced = _role_findings.node_findings(NODES, roles)
    assert {f.id for f in replaced} <= {"role_replaced"}
    assert {f.evidence["iam_role"]: f.evidence["managed_instance_ids"] for f in replaced} == found


@pytest.mark.parametrize(
    ("patterns", "some_of_it"),
    [
        (["ecs:Poll"], {"ecs:Poll"}),
        (["ecs:Submit*"], {"ecs:SubmitTaskStateChange"}),
        (["ECS:poll*"], {"ecs:Poll"}),
        (["ssm:*InstanceInformation"], {"ssm:UpdateInstanceInformation", "ssm:DescribeInstanceInformation"}),
        (["ssmmessages:*"], {"ssmmessages:OpenDataChannel"}),
        (["*"], {"iam:PassRole", "s3:GetObject", "ecs:StartTelemetrySession"}),
        (["nosuchservice:*"], {"nosuchservice:*"}),
    ],
)
def test_wildcards_are_expanded(patterns, some_of_it):
    assert some_of_it <= _iam_actions.expanded(patterns)


features = st.lists(st.sampled_from(sorted(_node_policy.FEATURES)), unique=True)
clusters = st.lists(st.sampled_from(["edge", "a-b", "_c"]), max_size=3)
regions = st.lists(st.sampled_from([REGION, "us-east-1"]), min_size=1, max_size=2)
wishes = st.builds(Wanted, clusters, regions, features)


@settings(max_examples=60, deadline=None)
@given(wishes)
def test_what_the_generator_grants_is_found_sufficient_and_no_more(wanted):
    assert findings(wanted=wanted) == []


@settings(max_examples=60, deadline=None)
@given(wishes, st.data())
def test_an_action_that_is_removed_is_named(wanted, data):
    action = data.draw(st.sampled_from(sorted({n.action for n in _node_policy.needs(wanted.features)})))
    found = findings([least(wanted, drop=[action])], wanted=wanted)
    assert ids(found) == ["action_missing"]
    assert {e["action"] for f in found for e in f.evidence} == {action}
    assert all(f" {action}, which" in f.message for f in found)


@settings(max_examples=40, deadline=None)
@given(wishes, st.data())
def test_one_resource_that_is_removed_is_named(wanted, data):
    complete = least(wanted)
    document = copy.deepcopy(complete.document)
    statement = data.draw(st.sampled_from(document["Statement"]))
    gone = data.draw(st.sampled_from(statement["Resource"]))
    if gone == "*" or gone in str([s for s in document["Statement"] if s is not statement]):
        return
    statement["Resource"].remove(gone)
    document["Statement"] = [s for s in document["Statement"] if s["Resource"]]
    found = findings([Policy("least", document)], wanted=wanted)
    assert {e["resource"] for f in found for e in f.evidence} == {gone}
