# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _trust_policy as trust

SSM = "ssm.amazonaws.com"
ACCOUNT = "123456789012"
RIGHT = {"Effect": "Allow", "Principal": {"Service": SSM}, "Action": "sts:AssumeRole"}
OTHER = {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
DENY = {"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole"}


def right(**changes):
    return {**RIGHT, **changes}


def when(**condition):
    return right(Condition={op: dict(entries) for op, entries in condition.items()})


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        (RIGHT, True),
        ([RIGHT], True),
        (right(Sid="x"), True),
        (right(Principal={"Service": [SSM]}), True),
        (right(Principal={"Service": ["ec2.amazonaws.com", SSM]}), True),
        (right(Action=["sts:TagSession", "sts:AssumeRole"]), True),
        (right(Action="STS:assumerole"), True),
        (right(Action="sts:*"), True),
        (right(Action="*"), True),
        (right(Action="sts:AssumeRol?"), True),
        ([OTHER, RIGHT], True),
        ([RIGHT, {**DENY, "Action": "sts:TagSession"}], True),
        ([RIGHT, {**DENY, "Principal": {"Service": "ec2.amazonaws.com"}}], True),
        ([RIGHT, {**DENY, "Condition": {"StringNotEquals": {"aws:SourceAccount": ACCOUNT}}}], True),
        # nothing, or somebody else
        ([], False),
        (None, False),
        (OTHER, False),
        (right(Principal={"Service": "ssm.eu-west-1.amazonaws.com"}), False),
        (right(Principal={"AWS": "*"}), False),
        (right(Principal="*"), False),
        (right(Principal={"AWS": SSM}), False),
        (right(Effect="Deny"), False),
        (right(Action="sts:AssumeRoleWithWebIdentity"), False),
        (right(Action=[]), False),
        # defeated
        ([RIGHT, DENY], False),
        ([DENY, RIGHT], False),
        ([RIGHT, {**DENY, "Principal": {"Service": [SSM]}, "Action": ["sts:*"]}], False),
        ([RIGHT, {"Effect": "Deny", "NotPrincipal": {"AWS": "x"}, "Action": "*"}], False),
        ([RIGHT, {"Effect": "Deny", "NotPrincipal": {"Service": SSM}, "Action": "*"}], True),
        ([RIGHT, {"Effect": "Deny", "Principal": "*", "NotAction": "s3:*"}], False),
        # stricter, and still right
        (when(StringEquals={"aws:SourceAccount": ACCOUNT}), True),
        (when(StringEquals={"aws:SourceAccount": ["999999999999", ACCOUNT]}), True),
        (when(ArnEquals={"aws:SourceArn": f"arn:aws:ssm:*:{ACCOUNT}:*"}), True),
        (when(ArnLike={"AWS:sourcearn": [f"arn:aws:ssm:eu-west-1:{ACCOUNT}:*"]}), True),
        (when(ArnLike={"aws:SourceArn": "*"}), True),
        (when(ArnLike={"aws:SourceArn": "arn:*:ssm:*:1234567890??:*"}), True),
        (when(StringEquals={"aws:SourceOrgID": "o-1"}), True),
        (when(StringNotEquals={"aws:SourceAccount": "999999999999"}), True),
        (when(Null={"aws:SourceAccount": "false"}), True),
        # stricter than can be met
        (when(StringEquals={"aws:SourceAccount": "999999999999"}), False),
        (when(ArnLike={"aws:SourceArn": "arn:aws:ssm:*:999999999999:*"}), False),
        (when(ArnLike={"aws:SourceArn": f"arn:aws:ec2:*:{ACCOUNT}:*"}), False),
        (when(StringEquals={"sts:ExternalId": "x"}), False),
        (when(StringEqualsIfExists={"sts:ExternalId": "x"}), True),
    ],
)
def test_allows(statement, allowed):
    document = {"Version": "2012-10-17", "Statement": statement}
    assert trust.allows(document, SSM, ACCOUNT) is allowed
    repaired = trust.repaired(document, SSM, ACCOUNT)
    assert trust.allows(repaired, SSM, ACCOUNT)
    assert (repaired == document) is allowed  # what is right is not touched
    assert trust.repaired(repaired, SSM, ACCOUNT) == repaired  # and what was repaired stays


@pytest.mark.parametrize("version", ["2012-10-17", "2008-10-17", None])
def test_version_does_not_matter(version):
    document = {"Statement": RIGHT, **({"Version": version} if version else {})}
    assert trust.allows(document, SSM, ACCOUNT)


def test_without_an_account_conditions_on_accounts_are_believed():
    document = {"Statement": when(StringEquals={"aws:SourceAccount": "999999999999"})}
    assert trust.allows(document, SSM)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], [RIGHT]),
        (DENY, [RIGHT]),
        (right(Action="sts:TagSession"), [RIGHT]),
        (when(StringEquals={"sts:ExternalId": "x"}), [RIGHT]),
        ([OTHER], [OTHER, RIGHT]),
        ([OTHER, DENY], [OTHER, RIGHT]),
        ([RIGHT, OTHER, DENY], [OTHER, RIGHT]),
    ],
)
def test_repair_keeps_what_is_about_others(before, after):
    assert trust.repaired({"Statement": before}, SSM, ACCOUNT)["Statement"] == after


def test_the_plain_trust_is_that_of_the_guide():
    assert trust.repaired(None, SSM) == {"Version": "2012-10-17", "Statement": [RIGHT]}
