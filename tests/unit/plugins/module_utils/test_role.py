# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _role
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _trust_policy

SERVICE = "ssm.amazonaws.com"
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
    return _role.wanted(role, wish(**changes), [CORE, NODE], "aws")


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


def test_policies_are_attached_before_others_are_detached(monkeypatch):
    done = []
    for name in ("attach_policy", "detach_policy"):
        monkeypatch.setattr(_role._iam, name, lambda _client, _role, arn, name=name: done.append((name, arn)))
    _role.update(None, current(AttachedPolicies=[policy(MINE)]), current(AttachedPolicies=[policy(CORE)]))
    assert done == [("attach_policy", CORE), ("detach_policy", MINE)]
