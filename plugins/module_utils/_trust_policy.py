# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Trust policies, compared and repaired by their meaning. Pure functions, private to this collection."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

ASSUME_ROLE = "sts:AssumeRole"

# The service in the ARNs of what it acts for, where that is not how its principal begins.
_SERVICES_OF_ARNS = {"ecs-tasks": "ecs"}


def plain(service: str) -> dict[str, Any]:
    """The trust of AWS's guide: the service may assume the role."""
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": ASSUME_ROLE}],
    }


def service_of_arns(service: str) -> str:
    name = service.split(".", maxsplit=1)[0]
    return _SERVICES_OF_ARNS.get(name, name)


def as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def statements(document: Any) -> list[Mapping[str, Any]]:
    if not isinstance(document, Mapping):
        return []
    return [s for s in as_list(document.get("Statement")) if isinstance(s, Mapping)]


def _like(pattern: Any, text: str) -> bool:
    """IAM's wildcards: * and ?, upper and lower case alike."""
    regex = "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in str(pattern))
    return re.fullmatch(regex, text, re.IGNORECASE) is not None


def is_effect(statement: Mapping[str, Any], effect: str) -> bool:
    return str(statement.get("Effect", "")).lower() == effect


def about_assume_role(statement: Mapping[str, Any]) -> bool:
    if "NotAction" in statement:
        return not any(_like(action, ASSUME_ROLE) for action in as_list(statement["NotAction"]))
    return any(_like(action, ASSUME_ROLE) for action in as_list(statement.get("Action")))


def _services(principal: Any) -> list[str]:
    return [str(s).lower() for s in as_list(principal.get("Service"))] if isinstance(principal, Mapping) else []


def _names(statement: Mapping[str, Any], service: str) -> bool:
    """Whether an Allow names the service. A "*" does not count: Systems Manager wants to be named."""
    return service in _services(statement.get("Principal"))


def denies(statement: Mapping[str, Any], service: str) -> bool:
    """Whether it is an unconditional Deny that hits the service. A conditional one only makes the trust stricter."""
    if not is_effect(statement, "deny") or statement.get("Condition") or not about_assume_role(statement):
        return False
    if "NotPrincipal" in statement:
        return service not in _services(statement["NotPrincipal"])
    principal = statement.get("Principal")
    return principal == "*" or any(s in (service, "*") for s in _services(principal))


def _arn_can_match(pattern: str, service: str, account: str) -> bool:
    """Whether an aws:SourceArn pattern can be met by the service's resources in the account."""
    fields = pattern.split(":")
    if len(fields) < 6:  # a pattern such as * or arn:aws:ssm:* covers the rest
        return "*" in pattern
    return _like(fields[2], service_of_arns(service)) and _like(fields[4], account)


def can_be_met(condition: Any, service: str, account: str) -> bool:
    """False only if the service, acting for this account, can never meet the condition."""
    for operator, entries in (condition or {}).items():
        name = str(operator).rsplit(":", maxsplit=1)[-1].lower()
        if not isinstance(entries, Mapping) or name.startswith(("null", "stringnot", "arnnot")):
            continue
        for key, value in entries.items():
            values = [str(v) for v in as_list(value)]
            if key.lower() == "sts:externalid" and not name.endswith("ifexists"):
                return False
            if not account:
                continue
            if key.lower() == "aws:sourceaccount" and not any(_like(v, account) for v in values):
                return False
            if key.lower() == "aws:sourcearn" and not any(_arn_can_match(v, service, account) for v in values):
                return False
    return True


def allows(document: Any, service: str, account: str = "") -> bool:
    """Whether the service may assume the role, possibly under conditions it can meet."""
    found = statements(document)
    if any(denies(s, service) for s in found):
        return False
    return any(trusts(s, service) and can_be_met(s.get("Condition"), service, account) for s in found)


def trusts(statement: Mapping[str, Any], service: str) -> bool:
    """Whether it is an Allow for the service, under whatever conditions."""
    return is_effect(statement, "allow") and _names(statement, service) and about_assume_role(statement)


def repaired(document: Any, service: str, account: str = "") -> dict[str, Any]:
    """The same document if it is right, else one that is, with every statement kept that is about somebody else."""
    if allows(document, service, account):
        return dict(document)
    kept = [
        dict(s)
        for s in statements(document)
        if not denies(s, service) and not (is_effect(s, "allow") and only_names(s, service))
    ]
    return joined(kept, plain(service))


def joined(kept: list[dict[str, Any]], wanted: dict[str, Any]) -> dict[str, Any]:
    return {**wanted, "Statement": [*kept, *wanted["Statement"]]}


def only_names(statement: Mapping[str, Any], service: str) -> bool:
    principal = statement.get("Principal")
    return isinstance(principal, Mapping) and set(principal) == {"Service"} and set(_services(principal)) == {service}
