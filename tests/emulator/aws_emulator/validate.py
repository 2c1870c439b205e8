# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks a JSON request against the bounds in botocore's model, and tells of it as AWS does."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from botocore.model import ServiceModel
from botocore.model import Shape
from moto.core.utils import get_service_model

from .errors import ApiError


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """The models' patterns are Java's; those that Python does not read are not checked, but for the two common ones."""
    text = pattern.replace(r"\p{L}\p{Z}\p{N}", r"\w\s").replace(r"\p{N}", r"\d")
    try:
        return re.compile(text)
    except re.error:
        return None


def _fail(value: Any, path: str, text: str) -> str:
    return f"Value '{value}' at '{path}' failed to satisfy constraint: {text}"


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:]


def _size(value: Any, path: str, low: Any, high: Any, noun: str) -> list[str]:
    count = value if noun == "value" else len(value)
    if low is not None and count < low:
        return [_fail(value, path, f"Member must have {noun} greater than or equal to {low}")]
    if high is not None and count > high:
        return [_fail(value, path, f"Member must have {noun} less than or equal to {high}")]
    return []


def problems(shape: Shape, value: Any, path: str) -> list[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    kind = shape.type_name
    if kind == "structure":
        if not isinstance(value, dict):
            return [_fail(value, path, "Member must be a structure")]
        prefix = f"{path}." if path else ""
        found = [
            f"Value null at '{prefix}{_lower(name)}' failed to satisfy constraint: Member must not be null"
            for name in shape.required_members
            if value.get(name) is None
        ]
        for name, member in shape.members.items():  # type: ignore[attr-defined]
            if value.get(name) is not None:
                found += problems(member, value[name], f"{prefix}{_lower(name)}")
        return found
    if kind == "list":
        if not isinstance(value, list):
            return [_fail(value, path, "Member must be a list")]
        found = _size(value, path, low, high, "length")
        for number, item in enumerate(value, 1):
            found += problems(shape.member, item, f"{path}.{number}.member")  # type: ignore[attr-defined]
        return found
    if kind == "string":
        if not isinstance(value, str):
            return [_fail(value, path, "Member must be a string")]
        found = _size(value, path, low, high, "length")
        pattern = shape.metadata.get("pattern")
        compiled = _compiled(pattern) if pattern else None
        if compiled and not compiled.fullmatch(value):
            found.append(_fail(value, path, f"Member must satisfy regular expression pattern: {pattern}"))
        if shape.metadata.get("enum") and value not in shape.metadata["enum"]:
            found.append(_fail(value, path, f"Member must satisfy enum value set: {shape.metadata['enum']}"))
        return found
    if kind in ("integer", "long"):
        if not isinstance(value, int) or isinstance(value, bool):
            return [_fail(value, path, "Member must be a number")]
        return _size(value, path, low, high, "value")
    return []


def validate(service: str, operation: str, params: dict[str, Any]) -> None:
    model: ServiceModel = get_service_model(service)
    if operation not in model.operation_names:
        return
    shape = model.operation_model(operation).input_shape
    found = problems(shape, params, "") if shape else []
    if found:
        count = f"{len(found)} validation error{'s' if len(found) > 1 else ''} detected: "
        code = "ValidationException" if service == "ssm" else "InvalidParameterException"
        raise ApiError(code, count + "; ".join(found))
