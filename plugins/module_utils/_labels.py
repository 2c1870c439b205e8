# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Attributes and tags of external instances: what is allowed, and what has to change. Pure functions, private."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

from ._drain_mark import MARK

# What the agents say of themselves; nobody else may write it.
AGENTS_OWN = ("ecs.", "com.amazonaws.ecs.")
MOST_ATTRIBUTES = 10
MOST_TAGS = 50
_ATTRIBUTE_NAME = re.compile(r"[A-Za-z0-9\-_/\\.]{1,128}")
_ATTRIBUTE_VALUE = re.compile(r"[A-Za-z0-9\-_/\\.@:]([A-Za-z0-9\-_/\\.@: ]{0,126}[A-Za-z0-9\-_/\\.@:])?")
_TAG = re.compile(r"[\w\s.:/=+\-@]*")


class Labels(NamedTuple):
    """What was asked for. None means: leave it as it is."""

    attributes: Mapping[str, str] | None = None
    purge_attributes: bool = False
    tags: Mapping[str, str] | None = None
    purge_tags: bool = False


class Change(NamedTuple):
    put: dict[str, str]
    remove: list[str]


def as_texts(given: Mapping[str, Any] | None) -> dict[str, str] | None:
    """What YAML takes for numbers and booleans is text to AWS."""
    if given is None:
        return None
    return {str(k): str(v).lower() if isinstance(v, bool) else "" if v is None else str(v) for k, v in given.items()}


def problem_of(wanted: Labels) -> str | None:
    """What AWS would not take, in a sentence for a user."""
    for name, value in (wanted.attributes or {}).items():
        if name.startswith(AGENTS_OWN):
            return f"attributes: {name} is one of those that the ECS agent sets itself. Choose another name."
        if name == MARK:
            return f"attributes: {name} is what drain_reason sets. Choose another name."
        if not _ATTRIBUTE_NAME.fullmatch(name):
            return f"attributes: {name!r} is not a name of 1 to 128 letters, digits and the characters - _ . / \\"
        wrong = problem_of_value(value)
        if wrong:
            return f"attributes: the value {value!r} of {name} {wrong}"
    if len(wanted.attributes or {}) > MOST_ATTRIBUTES:
        return f"attributes: {len(wanted.attributes or {})} are given, and ECS takes {MOST_ATTRIBUTES} for an instance"
    for key, value in (wanted.tags or {}).items():
        if key.lower().startswith("aws:"):
            return f"tags: {key} begins with aws:, which is for AWS alone. Choose another key."
        if not 1 <= len(key) <= 128 or len(value) > 256 or not _TAG.fullmatch(key + value):
            return (
                f"tags: {key!r} with the value {value!r} is not a key of 1 to 128 and a value of up to 256 letters, "
                "digits, spaces and the characters _ . : / = + - @"
            )
    if len(wanted.tags or {}) > MOST_TAGS:
        return f"tags: {len(wanted.tags or {})} are given, and AWS takes {MOST_TAGS} for a resource"
    return None


def problem_of_value(value: str) -> str | None:
    """Why AWS would not take it for an attribute, as the end of a sentence."""
    if _ATTRIBUTE_VALUE.fullmatch(value):
        return None
    return "is not 1 to 128 letters, digits, spaces and the characters - _ . @ / \\ :, or has spaces around it"


def custom(attributes: Mapping[str, str | None]) -> dict[str, str]:
    """Without those that the agent sets, and the mark of what is drained."""
    others = {name: value for name, value in attributes.items() if name != MARK and not name.startswith(AGENTS_OWN)}
    return {name: value or "" for name, value in sorted(others.items())}


def users(tags: Mapping[str, str]) -> dict[str, str]:
    """Without those that AWS sets."""
    return {key: value for key, value in sorted(tags.items()) if not key.lower().startswith("aws:")}


def change(current: Mapping[str, str], wanted: Mapping[str, str] | None, purge: bool) -> Change:
    """From *current*, which has nothing that others manage, to what is *wanted*."""
    if wanted is None:
        return Change({}, [])
    put = {name: value for name, value in wanted.items() if current.get(name) != value}
    return Change(put, sorted(set(current) - set(wanted)) if purge else [])


def missing_labels(attributes: Mapping[str, str | None], tags: Mapping[str, str], wanted: Labels) -> list[str]:
    """The names of those that a container instance has not, or has with another value."""
    found = change(custom(attributes), wanted.attributes, False), change(users(tags), wanted.tags, False)
    return sorted(found[0].put) + sorted(found[1].put)


def applied(current: Mapping[str, Any], done: Change) -> dict[str, Any]:
    return {**{k: v for k, v in current.items() if k not in done.remove}, **done.put}
