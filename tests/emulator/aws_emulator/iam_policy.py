# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decides whether policies allow an action. Pure: documents in, decision out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field
from functools import lru_cache
from ipaddress import ip_address
from ipaddress import ip_network
from typing import Any


@dataclass(frozen=True)
class Request:
    action: str
    resource: str = "*"
    context: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Decision:
    allowed: bool
    reason: str = ""


def as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple | set) else [value]


@lru_cache(maxsize=4096)
def _pattern(glob: str, ignore_case: bool) -> re.Pattern[str]:
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in glob)
    return re.compile("".join(parts) + r"\Z", re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def like(value: str, glob: str, ignore_case: bool = False) -> bool:
    return bool(_pattern(glob, ignore_case).match(value))


def arn_like(value: str, glob: str) -> bool:
    """The six parts of an ARN are compared one by one, so a * does not reach over a colon."""
    have, want = value.split(":", 5), glob.split(":", 5)
    return len(have) == len(want) and all(like(h, w) for h, w in zip(have, want, strict=True))


def _number(value: Any) -> float:
    return float(str(value))


def _same_bool(value: Any, wanted: Any) -> bool:
    return str(value).lower() == str(wanted).lower()


def _in_network(value: Any, wanted: Any) -> bool:
    try:
        return ip_address(str(value)) in ip_network(str(wanted), strict=False)
    except ValueError:
        return False


OPERATORS: dict[str, Any] = {
    "StringEquals": lambda v, w: str(v) == str(w),
    "StringEqualsIgnoreCase": lambda v, w: str(v).lower() == str(w).lower(),
    "StringLike": lambda v, w: like(str(v), str(w)),
    "ArnEquals": lambda v, w: arn_like(str(v), str(w)),
    "ArnLike": lambda v, w: arn_like(str(v), str(w)),
    "Bool": _same_bool,
    "IpAddress": _in_network,
    "NumericEquals": lambda v, w: _number(v) == _number(w),
    "NumericLessThan": lambda v, w: _number(v) < _number(w),
    "NumericLessThanEquals": lambda v, w: _number(v) <= _number(w),
    "NumericGreaterThan": lambda v, w: _number(v) > _number(w),
    "NumericGreaterThanEquals": lambda v, w: _number(v) >= _number(w),
}
NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
    "NotIpAddress": "IpAddress",
    "NumericNotEquals": "NumericEquals",
}


def _condition(operator: str, have: Any, wanted: list[Any]) -> bool:
    """One key of one operator. `have` is None when the request has no such key."""
    name, if_exists, quantifier = operator, False, ""
    if ":" in name:
        quantifier, name = name.split(":", 1)
    if name.endswith("IfExists"):
        name, if_exists = name[: -len("IfExists")], True
    if name == "Null":
        return _same_bool(have is None, wanted[0])
    negate = name in NEGATED
    test = OPERATORS.get(NEGATED.get(name, name))
    if test is None:
        return False
    if have is None:
        return if_exists or negate or quantifier == "ForAllValues"

    def matches(value: Any) -> bool:
        return any(test(value, w) for w in wanted) != negate

    values = as_list(have)
    if quantifier == "ForAllValues":
        return all(matches(v) for v in values)
    return any(matches(v) for v in values)


def conditions_hold(block: dict[str, Any], context: dict[str, Any]) -> bool:
    lowered = {k.lower(): v for k, v in context.items()}
    return all(
        _condition(operator, lowered.get(key.lower()), as_list(wanted))
        for operator, keys in block.items()
        for key, wanted in keys.items()
    )


def _action_matches(statement: dict[str, Any], action: str) -> bool:
    if "NotAction" in statement:
        return not any(like(action, a, True) for a in as_list(statement["NotAction"]))
    return any(like(action, a, True) for a in as_list(statement.get("Action")))


def _substitute(text: str, context: dict[str, Any]) -> str:
    lowered = {k.lower(): v for k, v in context.items()}
    return re.sub(r"\$\{([^}]+)\}", lambda m: str(lowered.get(m.group(1).lower(), m.group(0))), text)


def _resource_matches(statement: dict[str, Any], request: Request) -> bool:
    def one(pattern: str) -> bool:
        return like(request.resource, _substitute(pattern, request.context))

    if "NotResource" in statement:
        return not any(one(r) for r in as_list(statement["NotResource"]))
    if "Resource" in statement:
        return any(one(r) for r in as_list(statement["Resource"]))
    return True  # a trust policy names no resource


def _principal_matches(statement: dict[str, Any], principals: set[str]) -> bool:
    """principals: as "Service:ssm.amazonaws.com" or "AWS:arn:..."."""
    block = statement.get("Principal")
    if block == "*":
        return any(p.startswith("AWS:") for p in principals)
    if not isinstance(block, dict):
        return False
    names = {f"{kind}:{name}" for kind, value in block.items() for name in as_list(value)}
    return bool(names & principals) or ("AWS:*" in names and any(p.startswith("AWS:") for p in principals))


def parse(document: str | dict[str, Any]) -> list[dict[str, Any]]:
    loaded = json.loads(document) if isinstance(document, str) else document
    return [s for s in as_list(loaded.get("Statement")) if isinstance(s, dict)]


def effects(
    documents: Iterable[str | dict[str, Any]], request: Request, principals: set[str] | None = None
) -> set[str]:
    """The effects ("Allow", "Deny") of all statements that apply."""
    found = set()
    for document in documents:
        for statement in parse(document):
            if (
                _action_matches(statement, request.action)
                and _resource_matches(statement, request)
                and conditions_hold(statement.get("Condition", {}), request.context)
                and (principals is None or _principal_matches(statement, principals))
            ):
                found.add(statement.get("Effect", "Deny"))
    return found


def evaluate(
    identity: Iterable[str | dict[str, Any]], boundary: str | dict[str, Any] | None, request: Request
) -> Decision:
    """The reason completes AWS's sentence "User: .. is not authorized to perform: .. on resource: .. "."""
    from_identity = effects(identity, request)
    from_boundary = None if boundary is None else effects([boundary], request)
    if "Deny" in from_identity:
        return Decision(False, "with an explicit deny in an identity-based policy")
    if from_boundary is not None and "Deny" in from_boundary:
        return Decision(False, "with an explicit deny in a permissions boundary")
    if "Allow" not in from_identity:
        return Decision(False, f"because no identity-based policy allows the {request.action} action")
    if from_boundary is not None and "Allow" not in from_boundary:
        return Decision(False, f"because no permissions boundary allows the {request.action} action")
    return Decision(True)


def trusts(
    document: str, principal: str, action: str = "sts:AssumeRole", context: dict[str, Any] | None = None
) -> bool:
    """Whether a trust policy lets this principal assume the role. Without a context conditions are not looked at."""
    try:
        statements = parse(document)
    except ValueError:
        return False
    if context is None:
        statements = [{k: v for k, v in s.items() if k != "Condition"} for s in statements]
    found = effects([{"Statement": statements}], Request(action, "*", context or {}), {principal})
    return found == {"Allow"}
