# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The cluster query language, as ListContainerInstances and placement constraints use it. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

TOKEN = re.compile(
    r"\s*(\(|\)|\[|\]|,|==|!=|>=|<=|=~|!~|>|<|&&|\|\||'[^']*'|\"[^\"]*\"|![A-Za-z]+|![(]?|[^\s()\[\],=<>!&|]+)"
)
Test = Callable[[dict[str, Any]], bool]
ATTRIBUTE = "attribute:"
WORDS = {
    "equals": "==",
    "not_equals": "!=",
    "greater_than": ">",
    "greater_than_equal": ">=",
    "less_than": "<",
    "less_than_equal": "<=",
    "matches": "=~",
    "not_exists": "!exists",
    "not_in": "!in",
    "not_matches": "!~",
    "and": "&&",
    "or": "||",
    "not": "!",
}


class QueryError(ValueError):
    pass


def _tokens(text: str) -> list[str]:
    found, place = [], 0
    text = text.strip()
    while place < len(text):
        match = TOKEN.match(text, place)
        if not match or match.end() == place:
            raise QueryError(f"unexpected text at {place}: {text[place:]}")
        token = match.group(1)
        if token.startswith("!(") or token == "!":
            token, end = "!", match.start(1) + 1
        else:
            end = match.end()
        found.append(WORDS.get(token, token))
        place = end
    return found


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _compare(operator: str, have: Any, want: str) -> bool:
    if have is None:
        return operator in ("!=", "!~")
    left, right = _number(have), _number(want)
    if operator in ("==", "!="):
        same = str(have).lower() == want.lower() if isinstance(have, bool) else str(have) == want
        return same == (operator == "==")
    if operator in ("=~", "!~"):
        hit = fnmatchcase(str(have), want) or bool(re.search(want, str(have)) if "*" not in want[:1] else False)
        return hit == (operator == "=~")
    a, b = (left, right) if left is not None and right is not None else (str(have), want)
    return {">": a > b, ">=": a >= b, "<": a < b, "<=": a <= b}[operator]  # type: ignore[operator]


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens = _tokens(text)
        self.place = 0

    def peek(self) -> str:
        return self.tokens[self.place] if self.place < len(self.tokens) else ""

    def take(self, expected: str = "") -> str:
        token = self.peek()
        if not token or (expected and token != expected):
            raise QueryError(f"expected {expected or 'more'}, found {token or 'the end'}")
        self.place += 1
        return token

    def either(self) -> Test:
        tests = [self.both()]
        while self.peek() == "||":
            self.take()
            tests.append(self.both())
        return lambda facts: any(t(facts) for t in tests)

    def both(self) -> Test:
        tests = [self.single()]
        while self.peek() == "&&":
            self.take()
            tests.append(self.single())
        return lambda facts: all(t(facts) for t in tests)

    def single(self) -> Test:
        if self.peek() == "!":
            self.take()
            inner = self.single()
            return lambda facts: not inner(facts)
        if self.peek() == "(":
            self.take()
            inner = self.either()
            self.take(")")
            return inner
        return self.comparison()

    def _value(self) -> str:
        token = self.take()
        return token[1:-1] if token[:1] in "'\"" else token

    def comparison(self) -> Test:
        subject = self.take()
        operator = self.take()
        if operator in ("exists", "!exists"):
            return lambda facts: (subject in facts) == (operator == "exists")
        if operator in ("in", "!in"):
            self.take("[")
            values = [self._value()]
            while self.peek() == ",":
                self.take()
                values.append(self._value())
            self.take("]")
            return lambda facts: (str(facts.get(subject)) in values) == (operator == "in")
        if operator not in ("==", "!=", ">", ">=", "<", "<=", "=~", "!~"):
            raise QueryError(f"unknown operator {operator}")
        want = self._value()
        return lambda facts: _compare(operator, facts.get(subject), want)


SUBJECTS = {
    "ec2InstanceId",
    "agentConnected",
    "agentVersion",
    "registeredAt",
    "runningTasksCount",
    "pendingTasksCount",
    "status",
    "task:group",
}


def compile_query(text: str) -> Test:
    """A test over facts: attribute:NAME and the members of SUBJECTS."""
    parser = _Parser(text)
    test = parser.either()
    if parser.peek():
        raise QueryError(f"unexpected {parser.peek()}")
    for token, following in zip(parser.tokens, [*parser.tokens[1:], ""], strict=True):
        operator = following in ("==", "!=", ">", ">=", "<", "<=", "=~", "!~", "in", "!in", "exists", "!exists")
        if operator and not (token.startswith(ATTRIBUTE) or token in SUBJECTS):
            raise QueryError(f"unknown subject {token}")
    return test
