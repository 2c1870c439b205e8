# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters and pages of DescribeActivations and DescribeInstanceInformation. Pure, but for what it is given."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any
from typing import TypeVar

from .errors import ApiError
from .ssm_models import Activation
from .ssm_models import ManagedNode

T = TypeVar("T")


def page(items: list[T], size: int, token: str | None) -> tuple[list[T], str | None]:
    """The token carries the place of the next item, in a form that nobody mistakes for a number."""
    start = 0
    if token:
        try:
            text = base64.urlsafe_b64decode(token.encode()).decode()
            start = int(text.removeprefix("page:")) if text.startswith("page:") else -1
        except ValueError:
            start = -1
        if start < 0:
            raise ApiError("InvalidNextToken", "The specified token is not valid.")
    following = start + size
    more = following < len(items)
    return items[start:following], base64.urlsafe_b64encode(f"page:{following}".encode()).decode() if more else None


ACTIVATION_FILTERS: dict[str, Callable[[Activation], str | None]] = {
    "ActivationIds": lambda a: a.id,
    "DefaultInstanceName": lambda a: a.default_instance_name,
    "IamRole": lambda a: a.iam_role,
}


def filter_activations(activations: list[Activation], filters: list[dict[str, Any]]) -> list[Activation]:
    for one in filters:
        read = ACTIVATION_FILTERS.get(one.get("FilterKey", ""))
        if read is None:
            raise ApiError("InvalidFilter", f"The filter key {one.get('FilterKey')} is not valid.")
        values = one.get("FilterValues") or []
        activations = [a for a in activations if read(a) in values]
    return activations


NODE_FILTERS: dict[str, Callable[[ManagedNode], str | None]] = {
    "ActivationIds": lambda n: n.activation_id,
    "AgentVersion": lambda n: n.information.get("AgentVersion"),
    "AssociationStatus": lambda _: None,
    "IamRole": lambda n: n.iam_role,
    "InstanceIds": lambda n: n.id,
    "PingStatus": lambda n: n.ping_status,
    "PlatformType": lambda n: n.information.get("PlatformType"),
    "PlatformTypes": lambda n: n.information.get("PlatformType"),
    "ResourceType": lambda _: "ManagedInstance",
    "SourceIds": lambda n: n.id,
    "SourceTypes": lambda _: "AWS::SSM::ManagedInstance",
}


def _by_tag(nodes: list[ManagedNode], key: str, values: list[str]) -> list[ManagedNode]:
    if key == "tag-key":
        return [n for n in nodes if set(values) & set(n.tags)]
    name = key.removeprefix("tag:")
    return [n for n in nodes if n.tags.get(name) in values]


def filter_nodes(nodes: list[ManagedNode], params: dict[str, Any]) -> list[ManagedNode]:
    legacy = params.get("InstanceInformationFilterList") or []
    filters = params.get("Filters") or []
    if legacy and filters:
        raise ApiError(
            "InvalidInstanceInformationFilterValue",
            "Both Filters and InstanceInformationFilterList are specified. Use only Filters.",
        )
    wanted = [(f.get("key", ""), f.get("valueSet") or []) for f in legacy]
    wanted += [(f.get("Key", ""), f.get("Values") or []) for f in filters]
    keys = {key for key, _ in wanted}
    tags = {key for key in keys if key == "tag-key" or key.startswith("tag:")}
    if tags and keys - tags:
        raise ApiError("InvalidFilterKey", "Tag filters can not be combined with other filters.")
    known = {n.id for n in nodes}
    for key, values in wanted:
        if key in tags:
            nodes = _by_tag(nodes, key, values)
            continue
        read = NODE_FILTERS.get(key)
        if read is None:
            raise ApiError("InvalidFilterKey", f"The filter key {key} is not valid.")
        if key == "InstanceIds" and (foreign := [v for v in values if v not in known]):
            raise ApiError("InvalidInstanceId", f"The following instance IDs are not valid: {foreign}")
        if key == "ResourceType" and not set(values) <= {"EC2Instance", "ManagedInstance"}:
            raise ApiError("InvalidInstanceInformationFilterValue", f"Invalid ResourceType: {values}")
        nodes = [n for n in nodes if read(n) in values]
    return nodes
