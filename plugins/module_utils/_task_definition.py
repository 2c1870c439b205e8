# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Task definitions for external instances, and whether two of them mean the same. Pure functions, private."""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

Document = Mapping[str, Any]

# What DescribeTaskDefinition says and RegisterTaskDefinition does not take.
ANSWERS_ONLY = (
    "taskDefinitionArn",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "registeredAt",
    "deregisteredAt",
    "deleteRequestedAt",
    "registeredBy",
)
NETWORK_MODES = ("bridge", "host", "none")
# Members of which the order says nothing, by what tells their items apart.
_BY_NAME = {"containerDefinitions", "environment", "secrets", "ulimits", "volumes", "secretOptions", "systemControls"}
_UNORDERED = {"portMappings", "requiresCompatibilities", "placementConstraints", "mountPoints", "volumesFrom"}
_DEFAULTS: Mapping[str, Mapping[str, str]] = {
    "": {"networkMode": "bridge"},
    "containerDefinitions": {"cpu": "0", "essential": "True", "versionConsistency": "enabled"},
    "portMappings": {"protocol": "tcp", "hostPort": "0"},
    "healthCheck": {"interval": "30", "timeout": "5", "retries": "3"},
}
_INTEGER = re.compile(r"-?[0-9]+")
_MEASURE = re.compile(r"\s*([0-9.]+)\s*(vCPU|GB)\s*", re.IGNORECASE)


def coerced(value: Any, shape: Any) -> Any:
    """*value* with texts for numbers, numbers for texts and so on, where YAML or a template took one for the other.

    *shape* is of botocore's model. What does not fit it stays, and botocore will say so.
    """
    kind = shape.type_name
    if kind == "structure" and isinstance(value, Mapping):
        return {k: coerced(v, shape.members[k]) if k in shape.members else v for k, v in value.items()}
    if kind == "map" and isinstance(value, Mapping):
        return {str(k): coerced(v, shape.value) for k, v in value.items()}
    if kind == "list" and isinstance(value, list):
        return [coerced(item, shape.member) for item in value]
    if kind == "string" and isinstance(value, (bool, int, float)):
        return str(value).lower() if isinstance(value, bool) else str(value)
    if kind in ("integer", "long") and isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        return int(value)
    if kind == "boolean" and isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    return value


def document_of(given: Document, shape: Any) -> dict[str, Any]:
    """What RegisterTaskDefinition is to be sent; *shape* is that of its input."""
    document: dict[str, Any] = coerced(
        {name: value for name, value in given.items() if name not in ANSWERS_ONLY and value is not None}, shape
    )
    if not document.get("tags", True):
        del document["tags"]  # AWS does not take an empty list
    modes = document.get("requiresCompatibilities")
    if modes is None or isinstance(modes, list):
        document["requiresCompatibilities"] = sorted({*(modes or []), "EXTERNAL"})
    return document


def problem_of(given: Document) -> str | None:
    """What AWS would not take, or not for external instances, in a sentence for a user."""
    if "container_definitions" in given:
        return (
            "task_definition_document: the keys are AWS's own, containerDefinitions and not container_definitions, as "
            "`aws ecs register-task-definition --cli-input-json` takes them"
        )
    if not given.get("family"):
        return "task_definition_document has no family, which is the name of a task definition"
    if not given.get("containerDefinitions"):
        return "task_definition_document has no containerDefinitions: a task needs a container"
    mode = given.get("networkMode")
    if mode is not None and mode not in NETWORK_MODES:
        return (
            f"task_definition_document: networkMode {mode} is not possible on external instances, which have "
            f"{', '.join(NETWORK_MODES)}"
        )
    return None


def _measure(value: str) -> str:
    """0.5 vCPU is 512 and 1 GB is 1024, as AWS answers."""
    match = _MEASURE.fullmatch(value)
    return str(int(float(match.group(1)) * 1024)) if match else value


def _key(name: str) -> Callable[[Any], str]:
    if name in _BY_NAME:
        return lambda item: str(item.get("name") or item.get("namespace")) if isinstance(item, dict) else str(item)
    return lambda item: str(sorted(item.items())) if isinstance(item, dict) else str(item)


def _plain(value: Any, name: str = "") -> Any:
    """Without what says nothing: absent, empty, false and what is the default anyway."""
    if isinstance(value, Mapping):
        found = {str(k): _plain(v, str(k)) for k, v in value.items()}
        defaults = _DEFAULTS.get(name, {})
        return {k: v for k, v in found.items() if v not in (None, {}, []) and defaults.get(k) != v}
    if isinstance(value, (list, tuple)):
        items = [_plain(item, name) for item in value]
        return sorted(items, key=_key(name)) if name in _BY_NAME | _UNORDERED else items
    if value is False and name != "essential":
        return None
    return None if value is None else str(value)


def meaning(document: Document) -> dict[str, Any]:
    """A form in which documents that mean the same are equal. Tags are no part of it."""
    known = {name: value for name, value in document.items() if name not in (*ANSWERS_ONLY, "tags")}
    if known.get("networkMode") == "host":  # AWS adds the port of the host, which is that of the container
        known["containerDefinitions"] = [
            {**c, "portMappings": [{**p, "hostPort": 0} for p in c.get("portMappings") or []]}
            for c in known.get("containerDefinitions") or []
        ]
    plain: dict[str, Any] = _plain(known)
    for name in ("cpu", "memory"):
        if name in plain:
            plain[name] = _measure(plain[name])
    return plain


def same(one: Document, other: Document) -> bool:
    return meaning(one) == meaning(other)


def name_of(arn: str) -> str:
    """family:revision"""
    return arn.rsplit("/", 1)[-1]


def to_be_registered(document: Document) -> str:
    """What stands for a revision that is not there yet, as its number is known to AWS alone."""
    return f"{document['family']}:(new)"
