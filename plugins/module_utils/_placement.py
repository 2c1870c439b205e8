# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Where tasks may run: the options of the modules, and AWS's form of them. Pure functions, private."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ARGUMENTS: dict[str, Any] = {
    "placement_constraints": {
        "type": "list",
        "elements": "dict",
        "options": {
            "type": {"type": "str", "choices": ["memberOf", "distinctInstance"], "required": True},
            "expression": {"type": "str"},
        },
    },
    "placement_strategy": {
        "type": "list",
        "elements": "dict",
        "options": {
            "type": {"type": "str", "choices": ["random", "spread", "binpack"], "required": True},
            "field": {"type": "str"},
        },
    },
}


def problem_of(params: Mapping[str, Any]) -> str | None:
    for constraint in params["placement_constraints"] or []:
        if (constraint["type"] == "memberOf") != bool(constraint["expression"]):
            return (
                "placement_constraints: memberOf needs an expression, such as attribute:hall == north, and "
                "distinctInstance has none"
            )
    for strategy in params["placement_strategy"] or []:
        if (strategy["type"] == "random") == bool(strategy["field"]):
            return (
                "placement_strategy: spread and binpack need a field, such as instanceId or memory, and random has none"
            )
    return None


def _plain(items: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in item.items() if v is not None} for item in items]


def params_of(params: Mapping[str, Any]) -> dict[str, Any]:
    """What was given, as RunTask, CreateService and UpdateService take it. An empty list removes what there is."""
    names = {"placement_constraints": "placementConstraints", "placement_strategy": "placementStrategy"}
    return {member: _plain(params[name]) for name, member in names.items() if params[name] is not None}
