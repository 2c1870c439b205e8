# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tables of the pure parts: policies, the cluster query language, pages."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_emulator.ecs_query import QueryError
from aws_emulator.ecs_query import compile_query
from aws_emulator.faults import Fault
from aws_emulator.iam_policy import Request
from aws_emulator.iam_policy import evaluate
from aws_emulator.iam_policy import trusts

CLUSTER = "arn:aws:ecs:eu-west-1:123456789012:cluster/edge"
ROLE_ARN = "arn:aws:iam::123456789012:role/service-role/x"


def policy(effect: str = "Allow", **members: Any) -> dict[str, Any]:
    statement = {"Effect": effect, "Action": "*", "Resource": "*", **members}
    return {"Version": "2012-10-17", "Statement": [{k: v for k, v in statement.items() if v is not None}]}


def condition(operator: str, key: str, wanted: Any) -> dict[str, Any]:
    return policy(Condition={operator: {key: wanted}})


ALL = policy()
PASSED = {"iam:PassedToService": "ssm.amazonaws.com"}
TAGS = {"aws:TagKeys": ["a", "b"]}


@pytest.mark.parametrize(
    ("identity", "boundary", "request_", "reason"),
    [
        ([], None, Request("ecs:Poll"), "because no identity-based policy allows the ecs:Poll action"),
        ([ALL], None, Request("ecs:Poll"), ""),
        ([policy(Action="ecs:poll")], None, Request("ecs:Poll"), ""),
        ([policy(Action=["ssm:*", "ecs:Submit*"])], None, Request("ecs:SubmitTaskStateChange"), ""),
        ([policy(Action="ecs:Submit?")], None, Request("ecs:SubmitTask"), "no identity-based policy"),
        ([policy(Action="ecs:P?ll")], None, Request("ecs:Poll"), ""),
        ([policy(Action=None, NotAction="iam:*")], None, Request("ecs:Poll"), ""),
        ([policy(Action=None, NotAction=["ecs:*"])], None, Request("ecs:Poll"), "no identity-based policy"),
        ([policy(Resource=CLUSTER)], None, Request("ecs:Poll", CLUSTER), ""),
        ([policy(Resource="arn:aws:ecs:*:*:cluster/e*")], None, Request("ecs:Poll", CLUSTER), ""),
        ([policy(Resource=CLUSTER)], None, Request("ecs:Poll", CLUSTER + "2"), "no identity-based policy"),
        ([policy(Resource=CLUSTER)], None, Request("ecs:Poll", "*"), "no identity-based policy"),
        ([policy(Resource=None, NotResource=CLUSTER)], None, Request("ecs:Poll", CLUSTER), "no identity-based"),
        ([policy(Resource=None, NotResource=CLUSTER)], None, Request("ecs:Poll", "*"), ""),
        ([ALL, policy("Deny", Action="ecs:*")], None, Request("ecs:Poll"), "explicit deny in an identity-based policy"),
        ([policy("Deny", Action="iam:*"), ALL], None, Request("ecs:Poll"), ""),
        ([ALL], policy(Action="ssm:*"), Request("ecs:Poll"), "because no permissions boundary allows the ecs:Poll"),
        ([ALL], ALL, Request("ecs:Poll"), ""),
        ([ALL], policy("Deny"), Request("ecs:Poll"), "explicit deny in a permissions boundary"),
        ([], ALL, Request("ecs:Poll"), "no identity-based policy"),
        ([json.dumps(ALL)], None, Request("ecs:Poll"), ""),
        ([{"Statement": ALL["Statement"][0]}], None, Request("ecs:Poll"), ""),
        (
            [condition("StringEquals", "iam:PassedToService", "ssm.amazonaws.com")],
            None,
            Request("x:y", "*", PASSED),
            "",
        ),
        (
            [condition("StringEquals", "IAM:passedtoservice", ["a", "ssm.amazonaws.com"])],
            None,
            Request("x:y", "*", PASSED),
            "",
        ),
        ([condition("StringEquals", "iam:PassedToService", "ec2")], None, Request("x:y", "*", PASSED), "no identity"),
        ([condition("StringEquals", "iam:PassedToService", "ssm*")], None, Request("x:y", "*", PASSED), "no identity"),
        ([condition("StringLike", "iam:PassedToService", "ssm*")], None, Request("x:y", "*", PASSED), ""),
        ([condition("StringEquals", "no:such", "x")], None, Request("x:y", "*", PASSED), "no identity"),
        ([condition("StringEqualsIfExists", "no:such", "x")], None, Request("x:y", "*", PASSED), ""),
        ([condition("StringNotEquals", "iam:PassedToService", "ec2")], None, Request("x:y", "*", PASSED), ""),
        (
            [condition("StringNotEquals", "iam:PassedToService", "ssm.amazonaws.com")],
            None,
            Request("x:y", "*", PASSED),
            "no",
        ),
        ([condition("StringNotLike", "no:such", "x")], None, Request("x:y", "*", PASSED), ""),
        ([condition("Null", "no:such", "true")], None, Request("x:y", "*", PASSED), ""),
        ([condition("Null", "iam:PassedToService", "true")], None, Request("x:y", "*", PASSED), "no identity"),
        (
            [condition("Bool", "aws:SecureTransport", "true")],
            None,
            Request("x:y", "*", {"aws:SecureTransport": True}),
            "",
        ),
        ([condition("ArnEquals", "a:b", CLUSTER)], None, Request("x:y", "*", {"a:b": CLUSTER}), ""),
        ([condition("ArnLike", "a:b", "arn:aws:ecs:*:*:cluster/*")], None, Request("x:y", "*", {"a:b": CLUSTER}), ""),
        ([condition("ArnLike", "a:b", "arn:aws:ecs:*")], None, Request("x:y", "*", {"a:b": CLUSTER}), "no identity"),
        ([condition("ArnNotLike", "a:b", "arn:aws:ecs:*:*:task/*")], None, Request("x:y", "*", {"a:b": CLUSTER}), ""),
        ([condition("ForAllValues:StringEquals", "aws:TagKeys", ["a", "b", "c"])], None, Request("x:y", "*", TAGS), ""),
        (
            [condition("ForAllValues:StringEquals", "aws:TagKeys", ["a"])],
            None,
            Request("x:y", "*", TAGS),
            "no identity",
        ),
        ([condition("ForAnyValue:StringEquals", "aws:TagKeys", ["b"])], None, Request("x:y", "*", TAGS), ""),
        ([condition("NumericLessThan", "n:n", "5")], None, Request("x:y", "*", {"n:n": 4}), ""),
        ([condition("NumericLessThan", "n:n", "5")], None, Request("x:y", "*", {"n:n": 5}), "no identity"),
        (
            [condition("IpAddress", "aws:SourceIp", "10.0.0.0/8")],
            None,
            Request("x:y", "*", {"aws:SourceIp": "10.1.1.1"}),
            "",
        ),
        ([condition("NoSuchOperator", "a:b", "x")], None, Request("x:y", "*", {"a:b": "x"}), "no identity"),
        (
            [policy(Resource="arn:aws:iam::*:user/${aws:username}")],
            None,
            Request("x:y", "arn:aws:iam::1:user/ann", {"aws:username": "ann"}),
            "",
        ),
        (
            [policy(Resource="arn:aws:iam::*:user/${aws:username}")],
            None,
            Request("x:y", "arn:aws:iam::1:user/bob", {"aws:username": "ann"}),
            "no identity",
        ),
    ],
)
def test_a_policy_decides(identity: list[Any], boundary: Any, request_: Request, reason: str) -> None:
    decision = evaluate(identity, boundary, request_)
    assert decision.allowed == (not reason)
    assert reason in decision.reason


def trust(principal: Any, effect: str = "Allow", **more: Any) -> str:
    statement = {"Effect": effect, "Principal": principal, "Action": "sts:AssumeRole", **more}
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


SSM = "Service:ssm.amazonaws.com"
SOURCE = {"StringEquals": {"aws:SourceAccount": "1"}}


@pytest.mark.parametrize(
    ("document", "principal", "context", "trusted"),
    [
        (trust({"Service": "ssm.amazonaws.com"}), SSM, None, True),
        (trust({"Service": ["ec2.amazonaws.com", "ssm.amazonaws.com"]}), SSM, None, True),
        (trust({"Service": "ec2.amazonaws.com"}), SSM, None, False),
        (trust({"Service": "ssm.amazonaws.com"}, "Deny"), SSM, None, False),
        (trust({"Service": "ssm.amazonaws.com"}, Action="sts:TagSession"), SSM, None, False),
        (trust({"Service": "ssm.amazonaws.com"}, Condition=SOURCE), SSM, None, True),
        (trust({"Service": "ssm.amazonaws.com"}, Condition=SOURCE), SSM, {"aws:SourceAccount": "1"}, True),
        (trust({"Service": "ssm.amazonaws.com"}, Condition=SOURCE), SSM, {"aws:SourceAccount": "2"}, False),
        (trust("*"), "AWS:arn:aws:iam::1:user/x", {}, True),
        (trust("*"), SSM, {}, False),
        (trust({"AWS": "arn:aws:iam::1:root"}), "AWS:arn:aws:iam::1:root", {}, True),
        ("not json", SSM, None, False),
    ],
)
def test_a_trust_policy_trusts(document: str, principal: str, context: Any, trusted: bool) -> None:
    assert trusts(document, principal, context=context) is trusted


FACTS = {
    "ec2InstanceId": "mi-1",
    "agentConnected": True,
    "agentVersion": "1.105.1",
    "runningTasksCount": 3,
    "attribute:ecs.capability.external": "",
    "attribute:rack": "4",
    "attribute:site": "north hall",
}


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ("attribute:ecs.capability.external exists", True),
        ("attribute:nope exists", False),
        ("attribute:nope !exists", True),
        ("attribute:nope not_exists", True),
        ("attribute:rack == 4", True),
        ("attribute:rack != 4", False),
        ("attribute:rack=='4'", True),
        ('attribute:site == "north hall"', True),
        ("attribute:rack equals 4", True),
        ("attribute:rack > 3", True),
        ("attribute:nope == 4", False),
        ("attribute:nope != 4", True),
        ("attribute:site =~ north.*", True),
        ("attribute:site !~ south.*", True),
        ("ec2InstanceId == mi-1", True),
        ("ec2InstanceId in [mi-2, mi-1]", True),
        ("ec2InstanceId in ['mi-2']", False),
        ("ec2InstanceId !in [mi-2]", True),
        ("agentConnected == true", True),
        ("agentConnected==false", False),
        ("agentVersion =~ 1.105.*", True),
        ("runningTasksCount >= 3", True),
        ("runningTasksCount < 3", False),
        ("agentConnected == true and attribute:rack == 4", True),
        ("agentConnected == true && attribute:rack == 5", False),
        ("attribute:rack == 5 or attribute:rack == 4", True),
        ("attribute:rack == 5 || attribute:rack == 6", False),
        ("not (attribute:rack == 5)", True),
        ("!(attribute:rack == 4)", False),
        ("not attribute:rack == 4", False),
        ("attribute:rack == 5 and attribute:x exists or agentConnected == true", True),
        ("agentConnected == true and (attribute:rack == 5 or attribute:rack == 4)", True),
    ],
)
def test_a_cluster_query_holds(query: str, holds: bool) -> None:
    assert compile_query(query)(FACTS) is holds


@pytest.mark.parametrize(
    "query",
    [
        "",
        "attribute:rack",
        "attribute:rack ==",
        "rack == 4",
        "ec2InstanceId in mi-1",
        "(agentConnected == true",
        "a b c",
        "agentConnected == true extra",
    ],
)
def test_a_wrong_cluster_query_is_told(query: str) -> None:
    with pytest.raises(QueryError):
        compile_query(query)


@pytest.mark.parametrize(
    ("share", "count", "fires"),
    [(1.0, 0, "1111"), (1.0, 2, "1100"), (0.5, 0, "0101"), (0.25, 0, "0001"), (0.5, 1, "0100")],
)
def test_a_share_of_a_fault_is_spread_evenly(share: float, count: int, fires: str) -> None:
    fault = Fault("x:y", code="Z", share=share, count=count)
    assert "".join(str(int(fault.fires())) for _ in fires) == fires
