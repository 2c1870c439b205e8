# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a task execution role may read: a pure function of the secrets' ARNs. Private to this collection."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from typing import NamedTuple

POLICY_NAME = "ECSTaskExecutionSecrets"


class Kind(NamedTuple):
    sid: str
    action: str
    arn: re.Pattern[str]


def _arn(service: str, resource: str) -> re.Pattern[str]:
    return re.compile(rf"arn:aws[\w-]*:{service}:[a-z0-9-]+:\d{{12}}:{resource}", re.ASCII)


KINDS = (
    Kind("Secrets", "secretsmanager:GetSecretValue", _arn("secretsmanager", r"secret:[\w/+=.@*?-]+")),
    Kind("Parameters", "ssm:GetParameters", _arn("ssm", r"parameter/[\w/.*?-]+")),
    Kind("Keys", "kms:Decrypt", _arn("kms", r"key/[\w-]+")),
)


def problem_of(arns: Iterable[str]) -> str | None:
    """The first ARN that cannot be meant, in words."""
    for arn in arns:
        if any(kind.arn.fullmatch(arn) for kind in KINDS):
            continue
        if ":secretsmanager:" in arn and arn.count(":") > 6:
            why = "has more behind the secret's name, which belongs into the task definition only"
        elif ":kms:" in arn and ":alias/" in arn:
            why = "is an alias, by which IAM cannot allow kms:Decrypt: give the ARN of the key"
        else:
            why = "is not the ARN of a Secrets Manager secret, a Systems Manager parameter or a KMS key"
        return f"secrets: {arn} {why}"
    return None


def secrets_policy(arns: Iterable[str]) -> dict[str, Any]:
    """The document that lets ECS read these secrets and nothing else, the same for the same ARNs in any order."""
    wanted = sorted(set(arns))
    statements = []
    for kind in KINDS:
        found = [arn for arn in wanted if kind.arn.fullmatch(arn)]
        if found:
            statements.append({"Sid": kind.sid, "Effect": "Allow", "Action": kind.action, "Resource": found})
    return {"Version": "2012-10-17", "Statement": statements}
