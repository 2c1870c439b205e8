# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What IAM would say to a request, as far as it can be known. Pure functions, private to this collection.

A context says what is known of a request: a key with its value or values, a key with None that the request has not.
Whatever depends on a key that the context does not have is neither allowed nor denied, it depends.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from datetime import datetime
from datetime import timezone
from functools import lru_cache
from typing import Any
from typing import NamedTuple
from typing import Optional

# True, False, or None: it depends.
Truth = Optional[bool]

ALLOWED, DENIED, DEPENDS = "allowed", "denied", "depends"
# What stands in the way of a request that is not allowed.
NOT_GRANTED, EXPLICIT_DENY, BOUNDARY, CONDITION = "not_granted", "explicit_deny", "boundary", "condition"
_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_WITH_VARIABLES = "2012-10-17"


class Policy(NamedTuple):
    name: str
    document: Mapping[str, Any]


class Request(NamedTuple):
    action: str
    resource: str = "*"
    context: Mapping[str, Any] = {}


class Statement(NamedTuple):
    """A statement, and where it stands."""

    policy: str
    label: str
    body: Mapping[str, Any]
    variables: bool  # documents of the older version have none

    @property
    def effect(self) -> str:
        return str(self.body.get("Effect", "")).lower()

    @property
    def where(self) -> str:
        return f"{self.label} of {self.policy}"

    @property
    def resources(self) -> list[str]:
        """As they are written; a NotResource is near enough to everything."""
        return [str(r) for r in as_list(self.body["Resource"])] if "Resource" in self.body else ["*"]

    @property
    def condition(self) -> Mapping[str, Any]:
        found = self.body.get("Condition") or {}
        return found if isinstance(found, Mapping) else {}


class Decision(NamedTuple):
    verdict: str
    reason: str
    obstacle: str = ""
    statements: tuple[Statement, ...] = ()  # those that allow, deny, or decide under conditions

    @property
    def allowed(self) -> bool:
        return self.verdict == ALLOWED


def as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple, set)) else [value]


def all_of(truths: Iterable[Truth]) -> Truth:
    found = list(truths)
    if False in found:
        return False
    return None if None in found else True


def any_of(truths: Iterable[Truth]) -> Truth:
    found = list(truths)
    if True in found:
        return True
    return None if None in found else False


def _not(truth: Truth) -> Truth:
    return None if truth is None else not truth


# --- patterns


@lru_cache(maxsize=4096)
def _pattern(text: str, ignore_case: bool) -> re.Pattern[str]:
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in text)
    return re.compile("".join(parts), re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def like(value: str, pattern: str, ignore_case: bool = False) -> bool:
    return _pattern(pattern, ignore_case).fullmatch(value) is not None


def _arn_like(value: str, pattern: str) -> bool:
    """The six parts of an ARN are compared one by one: a * does not reach over a colon."""
    have, want = value.split(":", 5), pattern.split(":", 5)
    return len(have) == len(want) and all(like(h, w) for h, w in zip(have, want))


# What comes out of a variable is literal, whatever stars it has.
_LITERAL = {"*": "\ue000", "?": "\ue001", "$": "$"}


def _fill(text: str, context: Mapping[str, Any], variables: bool) -> tuple[str | None, bool]:
    """A text with its variables filled in; None if one is not there. One that is not known is a *, and not certain."""
    certain = True
    missing = False

    def value(match: re.Match[str]) -> str:
        nonlocal certain, missing
        key, _comma, default = (part.strip() for part in match.group(1).partition(","))
        if key in _LITERAL:
            return _LITERAL[key]
        if key.lower() not in context:
            certain = False
            return "*"
        known = as_list(context[key.lower()])
        if len(known) == 1:
            return str(known[0]).replace("*", "\ue000").replace("?", "\ue001")
        if default:
            return default.strip("'")
        missing = True
        return ""

    filled = _VARIABLE.sub(value, text) if variables else text
    return (None if missing else filled), certain


def _matches(
    test: Callable[[str, str], bool], value: str, text: str, context: Mapping[str, Any], variables: bool
) -> Truth:
    filled, certain = _fill(text, context, variables)
    if filled is None:
        return False
    if not certain:
        return None if like(value, filled) else False
    guarded = value
    if "\ue000" in filled or "\ue001" in filled:
        guarded = value.replace("*", "\ue000").replace("?", "\ue001")
    return test(guarded, filled)


# --- conditions


def _number(test: Callable[[float, float], bool]) -> Callable[[str, str], bool]:
    def compared(value: str, wanted: str) -> bool:
        try:
            return test(float(value), float(wanted))
        except ValueError:
            return False

    return compared


def _moment(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


def _date(test: Callable[[float, float], bool]) -> Callable[[str, str], bool]:
    def compared(value: str, wanted: str) -> bool:
        try:
            return test(_moment(value), _moment(wanted))
        except ValueError:
            return False

    return compared


def _in_network(value: str, wanted: str) -> bool:
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network(wanted, strict=False)
    except ValueError:
        return False


_ORDER: dict[str, Callable[[float, float], bool]] = {
    "equals": lambda a, b: a == b,
    "lessthan": lambda a, b: a < b,
    "lessthanequals": lambda a, b: a <= b,
    "greaterthan": lambda a, b: a > b,
    "greaterthanequals": lambda a, b: a >= b,
}
_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "stringequals": lambda value, wanted: value == wanted,
    "stringequalsignorecase": lambda value, wanted: value.lower() == wanted.lower(),
    "stringlike": like,
    "arnequals": _arn_like,
    "arnlike": _arn_like,
    "bool": lambda value, wanted: value.lower() == wanted.lower(),
    "binaryequals": lambda value, wanted: value == wanted,
    "ipaddress": _in_network,
    **{f"numeric{name}": _number(test) for name, test in _ORDER.items()},
    **{f"date{name}": _date(test) for name, test in _ORDER.items()},
}
_NEGATED = {
    "stringnotequals": "stringequals",
    "stringnotequalsignorecase": "stringequalsignorecase",
    "stringnotlike": "stringlike",
    "arnnotequals": "arnequals",
    "arnnotlike": "arnlike",
    "notipaddress": "ipaddress",
    "numericnotequals": "numericequals",
    "datenotequals": "dateequals",
}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _key_holds(operator: str, key: str, wanted: Any, context: Mapping[str, Any], variables: bool) -> Truth:
    """One key of one operator."""
    quantifier, _colon, name = operator.lower().rpartition(":")
    known = key.lower() in context
    if name == "null":
        if not known:
            return None
        absent = context[key.lower()] is None
        return any(_text(w).lower() == _text(absent) for w in as_list(wanted))
    if_exists = name.endswith("ifexists")
    name = name[: -len("ifexists")] if if_exists else name
    negated = name in _NEGATED
    test = _OPERATORS.get(_NEGATED.get(name, name))
    if test is None or not known:
        return None
    have = context[key.lower()]
    if have is None:
        return if_exists or quantifier == "forallvalues" or (negated and quantifier != "foranyvalue")

    def one(value: Any) -> Truth:
        found = any_of(_matches(test, _text(value), _text(w), context, variables) for w in as_list(wanted))
        return _not(found) if negated else found

    values = [one(value) for value in as_list(have)]
    if quantifier == "forallvalues" or (negated and not quantifier):
        return all_of(values)
    return any_of(values)


def condition_holds(condition: Mapping[str, Any], context: Mapping[str, Any], variables: bool = True) -> Truth:
    return all_of(
        _key_holds(operator, key, wanted, context, variables)
        for operator, keys in condition.items()
        for key, wanted in (keys.items() if isinstance(keys, Mapping) else ())
    )


# --- statements


def load(document: str | Mapping[str, Any]) -> Mapping[str, Any]:
    found = json.loads(document) if isinstance(document, str) else document
    return found if isinstance(found, Mapping) else {}


def statements(policies: Iterable[Policy]) -> list[Statement]:
    found = []
    for name, document in policies:
        variables = document.get("Version") == _WITH_VARIABLES
        for number, body in enumerate(as_list(document.get("Statement")), start=1):
            if isinstance(body, Mapping):
                label = f"statement {body['Sid']}" if body.get("Sid") else f"statement {number}"
                found.append(Statement(name, label, body, variables))
    return found


def about_action(statement: Statement, action: str) -> bool:
    body = statement.body
    if "NotAction" in body:
        return not any(like(action, str(a), True) for a in as_list(body["NotAction"]))
    return any(like(action, str(a), True) for a in as_list(body.get("Action")))


def about_resource(statement: Statement, resource: str, context: Mapping[str, Any]) -> Truth:
    def one(pattern: Any) -> Truth:
        return _matches(like, resource, str(pattern), context, statement.variables)

    if "NotResource" in statement.body:
        return _not(any_of(one(r) for r in as_list(statement.body["NotResource"])))
    return any_of(one(r) for r in as_list(statement.body.get("Resource")))


def applies(statement: Statement, request: Request) -> Truth:
    context = {key.lower(): value for key, value in request.context.items()}
    return all_of(
        (
            about_action(statement, request.action),
            about_resource(statement, request.resource, context),
            condition_holds(statement.condition, context, statement.variables),
        )
    )


# --- decisions


def evaluate(policies: Iterable[Policy], boundary: Policy | None, request: Request) -> Decision:
    """Whether a role with these policies may do it, and what stands in the way."""
    own = _judged(statements(policies), request)
    if own.verdict == DENIED or boundary is None:
        return own
    limit = _judged(statements([boundary]), request)
    if limit.obstacle == NOT_GRANTED:
        reason = limit.reason.replace("no policy allows it", "the permissions boundary does not allow it")
        return limit._replace(reason=reason, obstacle=BOUNDARY)
    return own if limit.verdict == ALLOWED else limit


def _judged(found: list[Statement], request: Request) -> Decision:
    truths = [(statement, applies(statement, request)) for statement in found]

    def those(effect: str, truth: Truth) -> tuple[Statement, ...]:
        return tuple(s for s, t in truths if s.effect == effect and t is truth)

    denying = those("deny", True)
    if denying:
        return Decision(DENIED, f"{_where(denying)} denies it", EXPLICIT_DENY, denying)
    allowing, perhaps = those("allow", True), those("allow", None)
    if not allowing and not perhaps:
        near = tuple(s for s in found if s.effect == "allow" and about_action(s, request.action))
        return Decision(DENIED, "no policy allows it" + _but(near, request), NOT_GRANTED, near)
    if not allowing:
        return Decision(DEPENDS, f"{_where(perhaps)} allows it under conditions", CONDITION, perhaps)
    against = those("deny", None)
    if against:
        return Decision(DEPENDS, f"{_where(against)} denies it under conditions", CONDITION, against)
    return Decision(ALLOWED, f"{_where(allowing)} allows it", "", allowing)


def _but(near: tuple[Statement, ...], request: Request) -> str:
    if not near:
        return ""
    context = {key.lower(): value for key, value in request.context.items()}
    elsewhere = [s for s in near if about_resource(s, request.resource, context) is False]
    if elsewhere:
        return f" on {request.resource}: {_where(tuple(elsewhere))} is about {', '.join(elsewhere[0].resources)}"
    return f" here: the condition of {_where(near)} is not met"


def _where(found: tuple[Statement, ...]) -> str:
    return " and ".join(dict.fromkeys(s.where for s in found))


def allowing_somewhere(policies: Iterable[Policy], boundary: Policy | None, action: str) -> list[Statement]:
    """The statements that allow an action on anything, under whatever conditions; none where it is cut everywhere."""
    found = statements(policies)
    limits = statements([boundary]) if boundary else []
    if any(_everywhere(s, action) for s in [*found, *limits] if s.effect == "deny"):
        return []
    if boundary and not any(s.effect == "allow" and about_action(s, action) for s in limits):
        return []
    return [s for s in found if s.effect == "allow" and about_action(s, action)]


def _everywhere(statement: Statement, action: str) -> bool:
    return (
        about_action(statement, action) and not statement.condition and statement.body.get("Resource") in ("*", ["*"])
    )
