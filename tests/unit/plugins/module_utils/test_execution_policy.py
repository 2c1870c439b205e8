# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _execution_policy

KEY = "11111111-2222-4333-8444-555555555555"


def arn(service, resource, partition="aws", region="eu-west-1"):
    return f"arn:{partition}:{service}:{region}:123456789012:{resource}"


SECRET = arn("secretsmanager", "secret:edge/database-a1B2c3")
PARAMETER = arn("ssm", "parameter/edge/password")
PARAMETERS = arn("ssm", "parameter/edge/*")
KMS = arn("kms", f"key/{KEY}")


@pytest.mark.parametrize(
    "arns",
    [
        [SECRET, PARAMETER, PARAMETERS, KMS],
        [arn("secretsmanager", "secret:*"), arn("kms", f"key/mrk-{KEY.replace('-', '')}")],
        [arn("ssm", "parameter/x", "aws-cn", "cn-north-1")],
        [arn("ssm", "parameter/x", "aws-us-gov", "us-gov-west-1")],
        [arn("ssm", "parameter/x", "aws-eusc", "eusc-de-east-1")],
    ],
)
def test_what_can_be_a_secret(arns):
    assert _execution_policy.problem_of(arns) is None


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (SECRET + ":password::", "belongs into the task definition only"),
        (arn("kms", "alias/edge"), "give the ARN of the key"),
        (arn("s3", "bucket"), "is not the ARN"),
        (arn("ssm", "document/x"), "is not the ARN"),
        (arn("ssm", "parameter/x", region="*"), "is not the ARN"),
        ("arn:aws:ssm:eu-west-1::parameter/x", "is not the ARN"),
        ("edge/password", "is not the ARN"),
        ("*", "is not the ARN"),
    ],
)
def test_what_cannot(bad, why):
    problem = _execution_policy.problem_of([SECRET, bad, KMS])
    assert problem.startswith(f"secrets: {bad} ") and why in problem


def test_each_kind_has_one_action():
    assert _execution_policy.secrets_policy([PARAMETER, KMS, SECRET, PARAMETERS])["Statement"] == [
        {"Sid": "Secrets", "Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": [SECRET]},
        {"Sid": "Parameters", "Effect": "Allow", "Action": "ssm:GetParameters", "Resource": [PARAMETERS, PARAMETER]},
        {"Sid": "Keys", "Effect": "Allow", "Action": "kms:Decrypt", "Resource": [KMS]},
    ]


def test_equal_wishes_give_equal_documents():
    wished = _execution_policy.secrets_policy([SECRET, PARAMETER])
    assert wished == _execution_policy.secrets_policy([PARAMETER, SECRET, SECRET])
    assert [s["Sid"] for s in wished["Statement"]] == ["Secrets", "Parameters"]
