# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Results in the form that the JSON protocols send: no nulls, timestamps as seconds."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from .errors import JSON_TYPE


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, datetime):
        return round(value.timestamp(), 3)
    return value


def answer(result: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Much cheaper than moto's serializer, which counts for pages of 100 instances with 50 attributes each."""
    return json.dumps(_plain(result)), {"status": 200, "Content-Type": JSON_TYPE}
