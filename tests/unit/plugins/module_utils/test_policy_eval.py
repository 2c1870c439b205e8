# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _policy_eval as pe

EDGE = "arn:aws:ecs:eu-west-1:123456789012:cluster/edge"
OTHER = "arn:aws:ecs:eu-west-1:123456789012:cluster/other"
REGISTER = pe.Request("ecs:RegisterContainerInstance", EDGE)


def policy(*statements, name="p", version="2012-10-17"):
    return pe.Policy(name, {"Version": version, "Statement": list(statements)})


def allow(action="*", resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action="*", resource="*", **more):
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def without(statement, key, **more):
    return {**{k: v for k, v in statement.items() if k != key}, **more}


@pytest.mark.parametrize(
    ("statements", "verdict"),
    [
        ([], "denied"),
        ([allow()], "allowed"),
        ([allow("ecs:RegisterContainerInstance", EDGE)], "allowed"),
        ([allow(["s3:*", "ECS:register*"], [OTHER, EDGE])], "allowed"),
        ([allow("ecs:Register?ontainerInstance", "arn:aws:ecs:*:123456789012:cluster/ed*")], "allowed"),
        ([allow("ecs:RegisterContainer")], "denied"),
        ([allow("ecs:Register", EDGE)], "denied"),
        ([allow("*", OTHER)], "denied"),
        ([allow("*", EDGE.upper())], "denied"),
        ([without(allow(), "Action", NotAction="s3:*")], "allowed"),
        ([without(allow(), "Action", NotAction=["s3:*", "ecs:*"])], "denied"),
        ([without(allow(), "Resource", NotResource=OTHER)], "allowed"),
        ([without(allow(), "Resource", NotResource=[OTHER, "*/edge"])], "denied"),
        ([without(allow(), "Resource")], "denied"),
        ([allow(), deny("ecs:*")], "denied"),
        ([allow(), deny("ecs:*", OTHER)], "allowed"),
        ([allow(), without(deny(), "Action", NotAction="ecs:*")], "allowed"),
        ([allow(), deny(Condition={"Bool": {"aws:SecureTransport": "false"}})], "depends"),
        ([allow(Condition={"StringEquals": {"aws:RequestedRegion": "eu-west-1"}})], "depends"),
        ([allow(), allow(Condition={"StringEquals": {"aws:RequestedRegion": "eu-west-1"}})], "allowed"),
        ([allow("*", OTHER, Condition={"StringEquals": {"aws:RequestedRegion": "x"}})], "denied"),
        ([{"Effect": "allow", "Action": "*", "Resource": "*"}], "allowed"),
    ],
)
def test_statements(statements, verdict):
    assert pe.evaluate([policy(*statements)], None, REGISTER).verdict == verdict
    # spread over several policies they mean the same
    assert pe.evaluate([policy(s) for s in statements], None, REGISTER).verdict == verdict


def test_one_statement_as_an_object():
    assert pe.evaluate([pe.Policy("p", {"Statement": allow()})], None, REGISTER).allowed


@pytest.mark.parametrize(
    ("boundary", "verdict"),
    [
        ([allow()], "allowed"),
        ([allow("ecs:*")], "allowed"),
        ([allow("ssm:*")], "denied"),
        ([], "denied"),
        ([allow(), deny("ecs:*")], "denied"),
        ([allow(Condition={"StringEquals": {"aws:RequestedRegion": "eu-west-1"}})], "depends"),
    ],
)
def test_a_boundary_limits_and_grants_nothing(boundary, verdict):
    assert pe.evaluate([policy(allow())], policy(*boundary, name="limit"), REGISTER).verdict == verdict
    assert pe.evaluate([], policy(*boundary, name="limit"), REGISTER).verdict == "denied"


@pytest.mark.parametrize(
    ("own", "boundary", "words"),
    [
        ([], None, "no policy allows it"),
        ([allow("*", OTHER, Sid="Mine")], None, f"on {EDGE}: statement Mine of p is about {OTHER}"),
        (
            [allow(Condition={"StringEquals": {"aws:RequestedRegion": "x"}})],
            None,
            "the condition of statement 1 of p is",
        ),
        ([allow(), deny("ecs:*", Sid="No")], None, "statement No of p denies it"),
        ([allow(), deny("ecs:*")], None, "statement 2 of p denies it"),
        ([allow()], [], "the permissions boundary does not allow it"),
        ([allow()], [allow("*", OTHER)], f"the permissions boundary does not allow it on {EDGE}"),
        ([allow()], [allow(), deny("ecs:*")], "statement 2 of limit denies it"),
        ([allow(Condition={"Bool": {"x:y": "true"}})], None, "statement 1 of p allows it under conditions"),
        ([allow(), deny(Condition={"Bool": {"x:y": "true"}})], None, "statement 2 of p denies it under conditions"),
        ([allow()], None, "statement 1 of p allows it"),
    ],
)
def test_the_reason_names_the_statement(own, boundary, words):
    limit = None if boundary is None else policy(*boundary, name="limit")
    request = REGISTER._replace(context={"aws:RequestedRegion": "eu-west-1"})
    assert words in pe.evaluate([policy(*own)], limit, request).reason


A, ABSENT, UNKNOWN = {"k": "a"}, {"k": None}, {}


@pytest.mark.parametrize(
    ("operator", "wanted", "context", "holds"),
    [
        ("StringEquals", "a", A, True),
        ("StringEquals", ["b", "a"], A, True),
        ("StringEquals", "A", A, False),
        ("StringEquals", "a", ABSENT, False),
        ("StringEquals", "a", UNKNOWN, None),
        ("StringEqualsIfExists", "a", ABSENT, True),
        ("StringEqualsIfExists", "b", A, False),
        ("StringEqualsIfExists", "a", UNKNOWN, None),
        ("StringEqualsIgnoreCase", "A", A, True),
        ("StringNotEquals", "a", A, False),
        ("StringNotEquals", ["a", "b"], A, False),
        ("StringNotEquals", "b", A, True),
        ("StringNotEquals", "b", ABSENT, True),
        ("StringNotEqualsIgnoreCase", "A", A, False),
        ("StringLike", "?", A, True),
        ("StringLike", "b*", A, False),
        ("StringEquals", "*", A, False),
        ("StringNotLike", "b*", A, True),
        ("stringequals", "a", A, True),
        ("ArnEquals", "arn:aws:ecs:*:1:cluster/*", {"k": "arn:aws:ecs:x:1:cluster/e"}, True),
        ("ArnLike", "arn:aws:ecs:*:cluster/*", {"k": "arn:aws:ecs:x:1:cluster/e"}, False),
        ("ArnNotLike", "arn:aws:ecs:*:1:cluster/*", {"k": "arn:aws:ecs:x:1:cluster/e"}, False),
        ("Bool", "true", {"k": True}, True),
        ("Bool", True, {"k": "false"}, False),
        ("Bool", "false", {"k": True}, False),
        ("NumericLessThan", "10", {"k": 9}, True),
        ("NumericLessThan", "10", {"k": 10}, False),
        ("NumericLessThanEquals", "10", {"k": "10"}, True),
        ("NumericEquals", "ten", {"k": "10"}, False),
        ("NumericGreaterThan", "10", {"k": 11}, True),
        ("NumericNotEquals", "10", {"k": 11}, True),
        ("DateLessThan", "2026-01-01T00:00:00Z", {"k": "2025-12-31T23:59:59Z"}, True),
        ("DateGreaterThan", "2026-01-01T00:00:00Z", {"k": "1700000000"}, False),
        ("DateEquals", "never", {"k": "1"}, False),
        ("BinaryEquals", "YQ==", {"k": "YQ=="}, True),
        ("IpAddress", "192.0.2.0/24", {"k": "192.0.2.7"}, True),
        ("IpAddress", "192.0.2.0/24", {"k": "198.51.100.1"}, False),
        ("NotIpAddress", "192.0.2.0/24", {"k": "192.0.2.7"}, False),
        ("Null", "true", ABSENT, True),
        ("Null", "true", A, False),
        ("Null", False, A, True),
        ("Null", "true", UNKNOWN, None),
        ("ForAllValues:StringEquals", ["a", "b"], {"k": ["a", "b"]}, True),
        ("ForAllValues:StringEquals", ["a"], {"k": ["a", "b"]}, False),
        ("ForAllValues:StringEquals", ["a"], {"k": []}, True),
        ("ForAllValues:StringEquals", ["a"], ABSENT, True),
        ("ForAnyValue:StringEquals", ["a"], {"k": ["a", "b"]}, True),
        ("ForAnyValue:StringEquals", ["c"], {"k": ["a", "b"]}, False),
        ("ForAnyValue:StringEquals", ["a"], ABSENT, False),
        ("ForAnyValue:StringNotEquals", ["a"], {"k": ["a", "b"]}, True),
        ("ForAllValues:StringNotEquals", ["a"], {"k": ["a", "b"]}, False),
        ("ForAnyValue:StringNotEquals", ["a"], ABSENT, False),
        ("StringEquals", "${me}", {"k": "x", "me": "x"}, True),
        ("StringEquals", "${me}", {"k": "x", "me": "y"}, False),
        ("StringEquals", "${me}", {"k": "x", "me": None}, False),
        ("StringEquals", "${me, 'x'}", {"k": "x", "me": None}, True),
        ("StringEquals", "${me}", {"k": "x"}, None),
        ("StringLike", "a/${me}", {"k": "b/x"}, False),
        ("StringLike", "${me}", {"k": "x", "me": "*"}, False),
        ("StringLike", "${me}", {"k": "*", "me": "*"}, True),
        ("StringLike", "${*}", {"k": "x"}, False),
        ("StringLike", "${*}", {"k": "*"}, True),
        ("StringEquals", "${$}", {"k": "$"}, True),
        ("NoSuchOperator", "a", A, None),
    ],
)
def test_conditions(operator, wanted, context, holds):
    assert pe.condition_holds({operator: {"K": wanted}}, context) is holds
    verdict = {True: "allowed", False: "denied", None: "depends"}[holds]
    own = [policy(allow(Condition={operator: {"k": wanted}}))]
    assert (
        pe.evaluate(own, None, REGISTER._replace(context={k.upper(): v for k, v in context.items()})).verdict == verdict
    )


def test_all_keys_and_operators_must_hold():
    both = {"StringEquals": {"a": "1", "b": "2"}, "Bool": {"c": "true"}}
    for context, holds in (
        ({"a": "1", "b": "2", "c": True}, True),
        ({"a": "1", "b": "x", "c": True}, False),
        ({"a": "1", "b": "2", "c": False}, False),
        ({"a": "1", "b": "2"}, None),
        ({"a": "x"}, False),
    ):
        assert pe.condition_holds(both, context) is holds


def test_variables_in_resources_and_none_in_the_older_version():
    own = allow("*", "arn:aws:ecs:eu-west-1:123456789012:cluster/${aws:PrincipalTag/team}")
    for context, verdict in (
        ({"aws:PrincipalTag/team": "edge"}, "allowed"),
        ({"aws:PrincipalTag/team": "other"}, "denied"),
        ({"aws:PrincipalTag/team": None}, "denied"),
        ({}, "depends"),
    ):
        assert pe.evaluate([policy(own)], None, REGISTER._replace(context=context)).verdict == verdict
        old = policy(own, version="2008-10-17")
        assert pe.evaluate([old], None, REGISTER._replace(context=context)).verdict == "denied"


@pytest.mark.parametrize(
    ("own", "boundary", "count"),
    [
        ([], None, 0),
        ([allow("ecs:*", OTHER)], None, 1),
        ([allow("ecs:*", OTHER, Condition={"Bool": {"x:y": "true"}}), allow("ssm:*")], None, 1),
        ([allow(), deny("ecs:*")], None, 0),
        ([allow(), deny("ecs:*", OTHER)], None, 1),
        ([allow(), deny("ecs:*", Condition={"Bool": {"x:y": "true"}})], None, 1),
        ([allow()], [allow("ssm:*")], 0),
        ([allow()], [allow("ecs:*", OTHER)], 1),
        ([allow()], [allow(), deny("ecs:*", ["*"])], 0),
    ],
)
def test_allowing_somewhere(own, boundary, count):
    limit = None if boundary is None else policy(*boundary)
    assert len(pe.allowing_somewhere([policy(*own)], limit, REGISTER.action)) == count


def test_documents_as_text():
    assert pe.load('{"Statement": []}') == {"Statement": []} == pe.load({"Statement": []})
    assert pe.load("[]") == {}
