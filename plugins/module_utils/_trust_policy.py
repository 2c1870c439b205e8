# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Trust policies, compared and repaired by their meaning. Pure functions, private to this collection."""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

ASSUME_ROLE = "sts:AssumeRole"

# The service in the ARNs of what it acts for, where that is not how its principal begins.
_SERVICES_OF_ARNS = {"ecs-tasks": "ecs"}

# Operators that compare with the values themselves; those with IfExists let a request pass that has no such key.
_EXACT = ("stringequals", "stringequalsignorecase", "stringlike")
_ARN_PATTERN = ("arnequals", "arnlike", "stringlike")


def plain(service: str) -> dict[str, Any]:
    """The trust of AWS's guide: the service may assume the role."""
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": ASSUME_ROLE}],
    }


def restricted(service: str, partition: str, account: str, regions: Iterable[str]) -> dict[str, Any]:
    """The trust that AWS recommends against the confused deputy: only for this account, in these Regions."""
    arns = source_arns(service, partition, account, regions)
    document = plain(service)
    document["Statement"][0]["Condition"] = {
        "StringEquals": {"aws:SourceAccount": account},
        "ArnEquals": {"aws:SourceArn": arns[0] if len(arns) == 1 else arns},
    }
    return document


def source_arns(service: str, partition: str, account: str, regions: Iterable[str]) -> list[str]:
    """What the service may act for, one pattern a Region."""
    return [f"arn:{partition}:{_service_of_arns(service)}:{region}:{account}:*" for region in sorted(set(regions))]


def _service_of_arns(service: str) -> str:
    name = service.split(".", maxsplit=1)[0]
    return _SERVICES_OF_ARNS.get(name, name)


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def statements(document: Any) -> list[Mapping[str, Any]]:
    if not isinstance(document, Mapping):
        return []
    return [s for s in _as_list(document.get("Statement")) if isinstance(s, Mapping)]


def _like(pattern: Any, text: str) -> bool:
    """IAM's wildcards: * and ?, upper and lower case alike."""
    regex = "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in str(pattern))
    return re.fullmatch(regex, text, re.IGNORECASE) is not None


def _is_effect(statement: Mapping[str, Any], effect: str) -> bool:
    return str(statement.get("Effect", "")).lower() == effect


def _about_assume_role(statement: Mapping[str, Any]) -> bool:
    if "NotAction" in statement:
        return not any(_like(action, ASSUME_ROLE) for action in _as_list(statement["NotAction"]))
    return any(_like(action, ASSUME_ROLE) for action in _as_list(statement.get("Action")))


def _services(principal: Any) -> list[str]:
    return [str(s).lower() for s in _as_list(principal.get("Service"))] if isinstance(principal, Mapping) else []


def _names(statement: Mapping[str, Any], service: str) -> bool:
    """Whether an Allow names the service. A "*" does not count: Systems Manager wants to be named."""
    return service in _services(statement.get("Principal"))


def _denies(statement: Mapping[str, Any], service: str) -> bool:
    """Whether it is an unconditional Deny that hits the service. A conditional one only makes the trust stricter."""
    if not _is_effect(statement, "deny") or statement.get("Condition") or not _about_assume_role(statement):
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
    return _like(fields[2], _service_of_arns(service)) and _like(fields[4], account)


def can_be_met(condition: Any, service: str, account: str) -> bool:
    """False only if the service, acting for this account, can never meet the condition."""
    for operator, entries in (condition or {}).items():
        name = str(operator).rsplit(":", maxsplit=1)[-1].lower()
        if not isinstance(entries, Mapping) or name.startswith(("null", "stringnot", "arnnot")):
            continue
        for key, value in entries.items():
            values = [str(v) for v in _as_list(value)]
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
    if any(_denies(s, service) for s in found):
        return False
    return any(_trusts(s, service) and can_be_met(s.get("Condition"), service, account) for s in found)


def _trusts(statement: Mapping[str, Any], service: str) -> bool:
    """Whether it is an Allow for the service, under whatever conditions."""
    return _is_effect(statement, "allow") and _names(statement, service) and _about_assume_role(statement)


def _hinders(statement: Mapping[str, Any], service: str) -> bool:
    """Whether it is a Deny, conditional or not, for this service alone."""
    return _is_effect(statement, "deny") and _about_assume_role(statement) and _only_names(statement, service)


def is_plain(document: Any, service: str) -> bool:
    """Whether the service may assume the role without conditions."""
    found = statements(document)
    return any(_trusts(s, service) and not s.get("Condition") for s in found) and not any(
        _denies(s, service) or _hinders(s, service) for s in found
    )


def is_restricted(document: Any, service: str, account: str, arns: Iterable[str]) -> bool:
    """Whether the service may assume the role for this account and these ARNs, all of them and no others."""
    if not allows(document, service, account):
        return False
    found: set[str] = set()
    for statement in statements(document):
        if not _trusts(statement, service):
            continue
        condition = statement.get("Condition") or {}
        for_arns = _asked(condition, "aws:sourcearn", _ARN_PATTERN)
        if _asked(condition, "aws:sourceaccount", _EXACT) != {account} or not for_arns:
            return False
        if not can_be_met(condition, service, account):
            return False
        found |= for_arns
    return found == set(arns)


def _asked(condition: Mapping[str, Any], key: str, operators: tuple[str, ...]) -> set[str]:
    """The values that a condition wants of a key. None at all if it does not ask for it."""
    asked = [
        {str(v) for v in _as_list(values)}
        for operator, entries in condition.items()
        if str(operator).lower() in operators and isinstance(entries, Mapping)
        for name, values in entries.items()
        if str(name).lower() == key
    ]
    return set.intersection(*asked) if asked else set()


def repaired(document: Any, service: str, account: str = "") -> dict[str, Any]:
    """The same document if it is right, else one that is, with every statement kept that is about somebody else."""
    if allows(document, service, account):
        return dict(document)
    kept = [
        dict(s)
        for s in statements(document)
        if not _denies(s, service) and not (_is_effect(s, "allow") and _only_names(s, service))
    ]
    return _joined(kept, plain(service))


def loosened(document: Any, service: str) -> dict[str, Any]:
    """The same document if its trust is plain, else one whose is."""
    if is_plain(document, service):
        return dict(document)
    kept = [
        dict(s)
        for s in statements(document)
        if not _denies(s, service)
        and not _hinders(s, service)
        and not (_is_effect(s, "allow") and _only_names(s, service))
    ]
    return _joined(kept, plain(service))


def tightened(document: Any, service: str, partition: str, account: str, regions: Iterable[str]) -> dict[str, Any]:
    """The same document if its trust is restricted to the account and these Regions, else one whose is."""
    regions = list(regions)
    if is_restricted(document, service, account, source_arns(service, partition, account, regions)):
        return dict(document)
    kept = [
        _without(s, service) if _trusts(s, service) else dict(s)
        for s in statements(document)
        if not _denies(s, service)
    ]
    return _joined([s for s in kept if s], restricted(service, partition, account, regions))


def _joined(kept: list[dict[str, Any]], wanted: dict[str, Any]) -> dict[str, Any]:
    return {**wanted, "Statement": [*kept, *wanted["Statement"]]}


def _without(statement: Mapping[str, Any], service: str) -> dict[str, Any] | None:
    """The statement for all whom it names but this service; None if that is nobody."""
    principal = {kind: names for kind, names in statement["Principal"].items() if kind != "Service"}
    others = [s for s in _as_list(statement["Principal"].get("Service")) if str(s).lower() != service]
    if others:
        principal["Service"] = others
    return {**statement, "Principal": principal} if principal else None


def _only_names(statement: Mapping[str, Any], service: str) -> bool:
    principal = statement.get("Principal")
    return isinstance(principal, Mapping) and set(principal) == {"Service"} and set(_services(principal)) == {service}
