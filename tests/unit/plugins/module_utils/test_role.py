# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import boto3
import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _role
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _role_writes
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _trust_policy
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _trust_scope
from botocore.stub import Stubber

SERVICE = "ssm.amazonaws.com"
ACCOUNT = "123456789012"
CORE = "arn:aws:iam::aws:policy/Core"
NODE = "arn:aws:iam::aws:policy/service-role/Node"
MINE = "arn:aws:iam::123456789012:policy/Mine"
BASE = ("Core", "service-role/Node")


def policy(arn):
    return {"PolicyName": arn.rsplit("/", 1)[-1], "PolicyArn": arn}


def current(**changes):
    return {
        "Path": "/",
        "RoleName": "r",
        "RoleId": "AROA",
        "Arn": "arn:aws:iam::123456789012:role/r",
        "CreateDate": "then",
        "MaxSessionDuration": 3600,
        "Tags": [{"Key": "a", "Value": "1"}],
        "AttachedPolicies": [policy(MINE), policy(CORE), policy(NODE)],
        "AssumeRolePolicyDocument": _trust_policy.plain(SERVICE),
        **changes,
    }


def wish(**changes):
    return _role.Wish(name="r", service=SERVICE, base_policies=BASE, **changes)


def wanted(role, **changes):
    return _role.wanted(role, wish(**changes), [CORE, NODE], "aws", ACCOUNT)


BOUND = {
    "PermissionsBoundary": {"PermissionsBoundaryType": "PermissionsBoundaryPolicy", "PermissionsBoundaryArn": MINE}
}


@pytest.mark.parametrize(
    ("before", "asked", "difference"),
    [
        (current(), {}, {}),
        (current(AttachedPolicies=[policy(NODE)]), {}, {"AttachedPolicies": [policy(CORE), policy(NODE)]}),
        (current(), {"purge_policies": True}, {"AttachedPolicies": [policy(CORE), policy(NODE)]}),
        (current(), {"tags": {"a": "1"}}, {}),
        (current(), {"tags": {}}, {"Tags": []}),
        (current(), {"tags": {}, "purge_tags": False}, {}),
        (current(), {"tags": {"A": "2"}}, {"Tags": [{"Key": "A", "Value": "2"}]}),
        (
            current(),
            {"tags": {"A": "2"}, "purge_tags": False},
            {"Tags": [{"Key": "A", "Value": "2"}, {"Key": "a", "Value": "1"}]},
        ),
        (current(), {"description": ""}, {}),
        (current(), {"description": "d"}, {"Description": "d"}),
        (current(Description="d"), {"description": "d"}, {}),
        (current(Description="d"), {"description": ""}, {"Description": ""}),
        (current(Description="d"), {}, {}),
        (current(), {"max_session_duration": 7200}, {"MaxSessionDuration": 7200}),
        (current(**BOUND), {}, {}),
        (current(**BOUND), {"boundary": MINE}, {}),
        (current(**BOUND), {"boundary": ""}, {"PermissionsBoundary": None}),
        (
            current(),
            {"boundary": MINE},
            {"PermissionsBoundary": {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": MINE}},
        ),
        (current(AssumeRolePolicyDocument={}), {}, {"AssumeRolePolicyDocument": _trust_policy.plain(SERVICE)}),
    ],
)
def test_wanted(before, asked, difference):
    after = wanted(before, **asked)
    keys = set(before) | set(after)
    assert {key: after.get(key) for key in keys if after.get(key) != before.get(key)} == difference
    assert wanted(after, **asked) == after


def test_a_trust_for_another_account_only_is_repaired():
    strict = _trust_policy.plain(SERVICE)
    strict["Statement"][0]["Condition"] = {"StringEquals": {"aws:SourceAccount": "999999999999"}}
    assert wanted(current(AssumeRolePolicyDocument=strict))["AssumeRolePolicyDocument"] == _trust_policy.plain(SERVICE)
    strict["Statement"][0]["Condition"] = {"StringEquals": {"aws:SourceAccount": "123456789012"}}
    assert wanted(current(AssumeRolePolicyDocument=strict))["AssumeRolePolicyDocument"] == strict


LISTED = [
    "arn:aws:iam::123456789012:policy/Both",
    "arn:aws:iam::aws:policy/Both",
    "arn:aws:iam::123456789012:policy/team/Own",
    "arn:aws:iam::aws:policy/job-function/Job",
]


@pytest.mark.parametrize(
    ("given", "resolved", "lists"),
    [
        ((), [], 0),
        (("Core", "service-role/Node", "/service-role/Node", "Node"), [], 0),
        ((CORE, NODE), [], 0),
        (("Mine",), [MINE], 0),
        ((LISTED[1],), [LISTED[1]], 0),
        (("Own",), [LISTED[2]], 1),
        (("team/Own", "Job", "job-function/Job"), [LISTED[2], LISTED[3]], 1),
    ],
)
def test_policies_are_listed_only_for_names_that_are_not_known(given, resolved, lists):
    listings = []

    def list_policies():
        listings.append(1)
        return [{"Arn": arn} for arn in LISTED]

    arns = _role.resolve_policies(wish(managed_policies=given), current(), "aws", list_policies)
    assert arns == [CORE, NODE, *resolved] and len(listings) == lists


@pytest.mark.parametrize(
    ("given", "words"),
    [("Nothing", "no managed policy"), ("Both", "may be any of"), ("arn:aws-cn:iam::aws:policy/X", "partition aws-cn")],
)
def test_policies_that_cannot_be_resolved(given, words):
    with pytest.raises(ValueError, match=words):
        _role.resolve_policies(wish(managed_policies=(given,)), None, "aws", lambda: [{"Arn": arn} for arn in LISTED])


@pytest.mark.parametrize(
    ("role", "path", "conflict"),
    [(None, "/x/", False), (current(), None, False), (current(), "/", False), (current(), "/x/", True)],
)
def test_a_path_cannot_change(role, path, conflict):
    assert (_role.conflict_of(role, wish(path=path)) is not None) is conflict


def inline(name, *actions):
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]}
    return {"PolicyName": name, "PolicyDocument": document}


def generated(partition, account):
    return inline("ours", f"{partition}:{account}")["PolicyDocument"]


@pytest.mark.parametrize(
    ("before", "asked", "difference"),
    [
        # What the former mode attached goes, unless the user names it as well.
        (current(), {"retired_policies": BASE}, {"AttachedPolicies": [policy(MINE)]}),
        (current(), {"retired_policies": BASE, "policy_arns": [NODE]},
         {"AttachedPolicies": [policy(MINE), policy(NODE)]}),
        (current(), {"retired_policies": BASE, "purge_policies": True}, {"AttachedPolicies": []}),
        (current(AttachedPolicies=[]), {"retired_policies": BASE}, {}),
        # An inline policy that is made from the partition and the account.
        (current(), {"generated_policies": {"ours": generated}},
         {"InlinePolicies": [inline("ours", f"aws:{ACCOUNT}")]}),
        (current(InlinePolicies=[inline("ours", "s3:*")]), {"generated_policies": {"ours": generated}},
         {"InlinePolicies": [inline("ours", f"aws:{ACCOUNT}")]}),
        (current(InlinePolicies=[inline("ours", f"aws:{ACCOUNT}")]), {"generated_policies": {"ours": generated}}, {}),
        (current(InlinePolicies=[inline("ours", "s3:*")]), {"retired_inline_policies": ("ours",)},
         {"InlinePolicies": []}),
        (current(), {"retired_inline_policies": ("ours",)}, {}),
        # Trust
        (current(), {"trust": "plain"}, {}),
        (current(), {"trust": "restricted", "regions": ("eu-west-1",)},
         {"AssumeRolePolicyDocument": _trust_scope.restricted(SERVICE, "aws", ACCOUNT, ["eu-west-1"])}),
        (current(AssumeRolePolicyDocument=_trust_scope.restricted(SERVICE, "aws", ACCOUNT, ["eu-west-1"])), {}, {}),
        (current(AssumeRolePolicyDocument=_trust_scope.restricted(SERVICE, "aws", ACCOUNT, ["eu-west-1"])),
         {"trust": "plain"}, {"AssumeRolePolicyDocument": _trust_policy.plain(SERVICE)}),
    ],
)  # fmt: skip
def test_modes(before, asked, difference):
    asked = dict(asked)
    arns = asked.pop("policy_arns", [])
    asked = _role.Wish(name="r", service=SERVICE, base_policies=(), **asked)
    after = _role.wanted(before, asked, arns, "aws", ACCOUNT)
    keys = set(before) | set(after)
    assert {key: after.get(key) for key in keys if after.get(key) != before.get(key)} == difference
    assert _role.wanted(after, asked, arns, "aws", ACCOUNT) == after


def test_retired_policies_are_known_by_name():
    asked = _role.Wish(name="r", service=SERVICE, base_policies=(), retired_policies=BASE, managed_policies=("Node",))
    assert _role.resolve_policies(asked, None, "aws", lambda: pytest.fail("listed")) == [NODE]


@pytest.mark.parametrize(
    ("asked", "needed"),
    [
        ({}, False),
        ({"trust": "plain"}, False),
        ({"trust": "restricted"}, True),
        ({"inline_policies": {"x": {}}}, False),
        ({"generated_policies": {"ours": generated}}, True),
    ],
)
def test_the_account_is_asked_for_only_if_it_matters(asked, needed):
    assert _role.needs_account(wish(**asked)) is needed


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"trust": "restricted"}, "for which Regions"),
        ({"trust": "restricted", "regions": ("frankfurt",)}, "'frankfurt' is not the name of a Region"),
        ({"trust": "restricted", "regions": ("eu-west-1", "us-gov-west-1", "eusc-de-east-1")}, None),
    ],
)
def test_problems_of_regions(asked, words):
    problem = _role.problem_of(wish(**asked))
    assert problem is None if words is None else words in problem


def test_documents_of_inline_policies_are_shown_as_they_are():
    shown = _role.shown(current(InlinePolicies=[inline("ours", "s3:GetObject")]))
    assert shown["inline_policies"] == [
        {"policy_name": "ours", "policy_document": inline("ours", "s3:GetObject")["PolicyDocument"]}
    ]
    assert "inline_policies" not in _role.shown(current())


def test_permissions_are_given_before_others_are_taken():
    client = boto3.client("iam", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(client) as stubber:
        written = {"RoleName": "r", "PolicyName": "new", "PolicyDocument": '{"Statement":[]}'}
        stubber.add_response("put_role_policy", {}, written)
        stubber.add_response("attach_role_policy", {}, {"RoleName": "r", "PolicyArn": CORE})
        stubber.add_response("detach_role_policy", {}, {"RoleName": "r", "PolicyArn": MINE})
        stubber.add_response("delete_role_policy", {}, {"RoleName": "r", "PolicyName": "old"})
        _role_writes.update(
            client,
            current(AttachedPolicies=[policy(MINE)], InlinePolicies=[inline("old", "s3:*")]),
            current(
                AttachedPolicies=[policy(CORE)],
                InlinePolicies=[{"PolicyName": "new", "PolicyDocument": {"Statement": []}}],
            ),
        )
        stubber.assert_no_pending_responses()
