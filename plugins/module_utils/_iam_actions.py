# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Which actions a pattern such as ecs:Submit* means. Private to this collection.

Most actions are called like an operation of the API, and botocore knows those. What is not in its models, because only
agents call it or because it is no operation at all, is listed here. Of services that neither knows a pattern stays
as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable

from ._policy_eval import like

ONLY_IAM: dict[str, tuple[str, ...]] = {
    "ec2messages": ("AcknowledgeMessage", "DeleteMessage", "FailMessage", "GetEndpoint", "GetMessages", "SendReply"),
    "ecs": ("Poll", "StartTelemetrySession"),
    "iam": ("PassRole",),
    "ssm": (
        "GetManifest",
        "ListInstanceAssociations",
        "PutConfigurePackageResult",
        "RegisterManagedInstance",
        "UpdateInstanceAssociationStatus",
        "UpdateInstanceInformation",
    ),
    "ssmmessages": ("CreateControlChannel", "CreateDataChannel", "OpenControlChannel", "OpenDataChannel"),
    "sts": ("TagSession",),
}
# What a pattern over all services is counted in: what servers use, and what is dangerous in anybody's hands.
SERVICES = ("ec2messages", "ecr", "ecs", "iam", "kms", "logs", "s3", "secretsmanager", "ssm", "ssmmessages", "sts")


def operations_of(service: str) -> Collection[str]:
    """The operations that botocore's model of a service has, none if there is no such model."""
    from botocore.exceptions import UnknownServiceError
    from botocore.loaders import Loader

    try:
        return Loader().load_service_model(service, "service-2")["operations"].keys()
    except UnknownServiceError:
        return ()


def expanded(patterns: Iterable[str], operations: Callable[[str], Collection[str]] = operations_of) -> set[str]:
    """The actions that patterns mean. The models are read only for patterns with wildcards."""
    found = set()
    for pattern in patterns:
        service, _colon, _name = pattern.partition(":")
        if "*" not in pattern and "?" not in pattern:
            found.add(pattern)
            continue
        wide = "*" in service or "?" in service
        named = {
            f"{each}:{name}"
            for each in (SERVICES if wide else (service.lower(),))
            for name in (*operations(each), *ONLY_IAM.get(each, ()))
        }
        found |= {action for action in named if like(action, pattern, True)} or {pattern}
    return found
