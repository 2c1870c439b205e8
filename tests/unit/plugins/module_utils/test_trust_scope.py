# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _trust_policy as trust
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _trust_scope as scope

SSM = "ssm.amazonaws.com"
ACCOUNT = "123456789012"
RIGHT = {"Effect": "Allow", "Principal": {"Service": SSM}, "Action": "sts:AssumeRole"}
OTHER = {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
DENY = {"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole"}


def right(**changes):
    return {**RIGHT, **changes}


def when(**condition):
    return right(Condition={op: dict(entries) for op, entries in condition.items()})


EU, US = f"arn:aws:ssm:eu-west-1:{ACCOUNT}:*", f"arn:aws:ssm:us-east-1:{ACCOUNT}:*"
STRICT = when(StringEquals={"aws:SourceAccount": ACCOUNT}, ArnEquals={"aws:SourceArn": EU})
BOTH = when(StringEquals={"aws:SourceAccount": ACCOUNT}, ArnEquals={"aws:SourceArn": [EU, US]})
DENY_OTHERS = {
    "Effect": "Deny",
    "Principal": {"Service": SSM},
    "Action": "sts:AssumeRole",
    "Condition": {"StringNotEquals": {"aws:SourceAccount": ACCOUNT}},
}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (RIGHT, None),
        ([OTHER, right(Sid="x", Action="sts:*")], None),
        ([STRICT, RIGHT], None),
        ([], [RIGHT]),
        (STRICT, [RIGHT]),
        ([OTHER, STRICT], [OTHER, RIGHT]),
        (when(StringEquals={"aws:SourceOrgID": "o-1"}), [RIGHT]),
        ([RIGHT, DENY], [RIGHT]),
        # A condition that is for this service alone goes; one that others rely on stays.
        ([RIGHT, DENY_OTHERS], [RIGHT]),
        ([RIGHT, {**DENY_OTHERS, "Principal": "*"}], None),
        ([{**STRICT, "Principal": {"Service": [SSM, "ec2.amazonaws.com"]}}],
         [{**STRICT, "Principal": {"Service": [SSM, "ec2.amazonaws.com"]}}, RIGHT]),
    ],
)  # fmt: skip
def test_loosened(before, after):
    document = {"Version": "2012-10-17", "Statement": before}
    loosened = scope.loosened(document, SSM)
    assert loosened["Statement"] == (before if after is None else after)
    assert scope.loosened(loosened, SSM) == loosened and trust.allows(loosened, SSM, ACCOUNT)


@pytest.mark.parametrize(
    ("regions", "before", "after"),
    [
        # right already, however it is written
        (["eu-west-1"], STRICT, None),
        (["eu-west-1"], [OTHER, STRICT], None),
        (["us-east-1", "eu-west-1"], BOTH, None),
        (["eu-west-1"], when(StringLike={"AWS:SOURCEACCOUNT": [ACCOUNT], "aws:sourcearn": [EU]}), None),
        (["eu-west-1"], when(StringEquals={"aws:SourceAccount": int(ACCOUNT)}, ArnLike={"aws:SourceArn": EU}), None),
        (["eu-west-1"], {**STRICT, "Condition": {**STRICT["Condition"], "Bool": {"aws:SecureTransport": "true"}}},
         None),
        (["eu-west-1", "us-east-1"],
         [STRICT, when(StringEquals={"aws:SourceAccount": ACCOUNT}, ArnLike={"aws:SourceArn": US})], None),
        # too little, too much, or in other Regions
        (["eu-west-1"], [], [STRICT]),
        (["eu-west-1"], RIGHT, [STRICT]),
        (["eu-west-1"], [STRICT, RIGHT], [STRICT]),
        (["eu-west-1"], BOTH, [STRICT]),
        (["eu-west-1", "us-east-1"], STRICT, [BOTH]),
        (["us-east-1", "eu-west-1", "us-east-1"], STRICT, [BOTH]),
        (["eu-west-1"], when(StringEquals={"aws:SourceAccount": ACCOUNT}), [STRICT]),
        (["eu-west-1"], when(ArnEquals={"aws:SourceArn": EU}), [STRICT]),
        (["eu-west-1"],
         when(StringEquals={"aws:SourceAccount": [ACCOUNT, "999999999999"]}, ArnEquals={"aws:SourceArn": EU}),
         [STRICT]),
        (["eu-west-1"],
         when(StringEqualsIfExists={"aws:SourceAccount": ACCOUNT}, ArnEquals={"aws:SourceArn": EU}), [STRICT]),
        (["eu-west-1"],
         when(StringEquals={"aws:SourceAccount": ACCOUNT}, ArnLike={"aws:SourceArn": f"arn:aws:ssm:*:{ACCOUNT}:*"}),
         [STRICT]),
        (["eu-west-1"],
         when(StringEquals={"aws:SourceAccount": ACCOUNT, "sts:ExternalId": "x"}, ArnEquals={"aws:SourceArn": EU}),
         [STRICT]),
        (["eu-west-1"], [STRICT, DENY], [STRICT]),
        # others stay
        (["eu-west-1"], [OTHER, RIGHT, DENY_OTHERS], [OTHER, DENY_OTHERS, STRICT]),
        (["eu-west-1"], right(Principal={"Service": ["ec2.amazonaws.com", SSM]}),
         [right(Principal={"Service": ["ec2.amazonaws.com"]}), STRICT]),
        (["eu-west-1"], right(Principal={"Service": SSM, "AWS": ACCOUNT}), [right(Principal={"AWS": ACCOUNT}), STRICT]),
        (["eu-west-1"], right(Action="sts:TagSession"), [right(Action="sts:TagSession"), STRICT]),
    ],
)  # fmt: skip
def test_tightened(regions, before, after):
    document = {"Version": "2012-10-17", "Statement": before}
    tightened = scope.tightened(document, SSM, "aws", ACCOUNT, regions)
    assert tightened["Statement"] == (before if after is None else after)
    assert scope.tightened(tightened, SSM, "aws", ACCOUNT, regions) == tightened
    assert trust.repaired(tightened, SSM, ACCOUNT) == tightened


@pytest.mark.parametrize(
    ("service", "partition", "region", "arn"),
    [
        (SSM, "aws", "eu-west-1", EU),
        (SSM, "aws-cn", "cn-north-1", f"arn:aws-cn:ssm:cn-north-1:{ACCOUNT}:*"),
        (SSM, "aws-us-gov", "us-gov-west-1", f"arn:aws-us-gov:ssm:us-gov-west-1:{ACCOUNT}:*"),
        (SSM, "aws-eusc", "eusc-de-east-1", f"arn:aws-eusc:ssm:eusc-de-east-1:{ACCOUNT}:*"),
        ("ecs-tasks.amazonaws.com", "aws", "eu-west-1", f"arn:aws:ecs:eu-west-1:{ACCOUNT}:*"),
    ],
)
def test_what_a_service_acts_for(service, partition, region, arn):
    assert scope.source_arns(service, partition, ACCOUNT, [region]) == [arn]
    restricted = scope.restricted(service, partition, ACCOUNT, [region])
    assert trust.allows(restricted, service, ACCOUNT) and not trust.allows(restricted, service, "999999999999")
    assert not scope.is_plain(restricted, service)
