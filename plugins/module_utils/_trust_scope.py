# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""For whom a service may assume a role: for everybody, or for one account and its Regions. Pure functions, private to
this collection.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from ._trust_policy import about_assume_role
from ._trust_policy import allows
from ._trust_policy import as_list
from ._trust_policy import can_be_met
from ._trust_policy import denies
from ._trust_policy import is_effect
from ._trust_policy import joined
from ._trust_policy import only_names
from ._trust_policy import plain
from ._trust_policy import service_of_arns
from ._trust_policy import statements
from ._trust_policy import trusts

# Operators that compare with the values themselves; those with IfExists let a request pass that has no such key.
_EXACT = ("stringequals", "stringequalsignorecase", "stringlike")
_ARN_PATTERN = ("arnequals", "arnlike", "stringlike")


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
    return [f"arn:{partition}:{service_of_arns(service)}:{region}:{account}:*" for region in sorted(set(regions))]


def _hinders(statement: Mapping[str, Any], service: str) -> bool:
    """Whether it is a Deny, conditional or not, for this service alone."""
    return is_effect(statement, "deny") and about_assume_role(statement) and only_names(statement, service)


def is_plain(document: Any, service: str) -> bool:
    """Whether the service may assume the role without conditions."""
    found = statements(document)
    return any(trusts(s, service) and not s.get("Condition") for s in found) and not any(
        denies(s, service) or _hinders(s, service) for s in found
    )


def is_restricted(document: Any, service: str, account: str, arns: Iterable[str]) -> bool:
    """Whether the service may assume the role for this account and these ARNs, all of them and no others."""
    if not allows(document, service, account):
        return False
    found: set[str] = set()
    for statement in statements(document):
        if not trusts(statement, service):
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
        {str(v) for v in as_list(values)}
        for operator, entries in condition.items()
        if str(operator).lower() in operators and isinstance(entries, Mapping)
        for name, values in entries.items()
        if str(name).lower() == key
    ]
    return set.intersection(*asked) if asked else set()


def loosened(document: Any, service: str) -> dict[str, Any]:
    """The same document if its trust is plain, else one whose is."""
    if is_plain(document, service):
        return dict(document)
    kept = [
        dict(s)
        for s in statements(document)
        if not denies(s, service)
        and not _hinders(s, service)
        and not (is_effect(s, "allow") and only_names(s, service))
    ]
    return joined(kept, plain(service))


def tightened(document: Any, service: str, partition: str, account: str, regions: Iterable[str]) -> dict[str, Any]:
    """The same document if its trust is restricted to the account and these Regions, else one whose is."""
    regions = list(regions)
    if is_restricted(document, service, account, source_arns(service, partition, account, regions)):
        return dict(document)
    kept = [
        _without(s, service) if trusts(s, service) else dict(s) for s in statements(document) if not denies(s, service)
    ]
    return joined([s for s in kept if s], restricted(service, partition, account, regions))


def _without(statement: Mapping[str, Any], service: str) -> dict[str, Any] | None:
    """The statement for all whom it names but this service; None if that is nobody."""
    principal = {kind: names for kind, names in statement["Principal"].items() if kind != "Service"}
    others = [s for s in as_list(statement["Principal"].get("Service")) if str(s).lower() != service]
    if others:
        principal["Service"] = others
    return {**statement, "Principal": principal} if principal else None
