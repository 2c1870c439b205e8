# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A service of external instances: what it is, what it should be, how its deployment fares. Pure functions, private."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

from ansible.module_utils.common.dict_transformations import snake_dict_to_camel_dict
from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list
from ansible_collections.amazon.aws.plugins.module_utils.tagging import boto3_tag_list_to_ansible_dict
from ansible_collections.amazon.aws.plugins.module_utils.transformation import boto3_resource_to_ansible_dict

from . import _labels
from ._placement import params_of as placement_of

Raw = Mapping[str, Any]
State = dict[str, Any]
# AWS keeps 100. The newest come first.
EVENTS = 10
_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
# What CreateService takes and UpdateService changes, but for what has a way of its own.
_SETTINGS = ("placementConstraints", "placementStrategy", "enableExecuteCommand", "propagateTags")


def problem_of(params: Mapping[str, Any]) -> str | None:
    """What no AWS call could make right."""
    if not _NAME.fullmatch(params["name"]):
        return f"name: {params['name']!r} is not 1 to 255 letters, digits, hyphens and underscores"
    if params["desired_count"] is not None and params["desired_count"] < 0:
        return f"desired_count is {params['desired_count']}, and there cannot be less than no task"
    least, most = percents(params["deployment_configuration"] or {})
    if least is not None and most is not None and (most < 100 or most < least):
        return (
            "deployment_configuration: maximum_percent is at least 100 and not less than minimum_healthy_percent, and "
            f"they are {most} and {least}"
        )
    if least == most == 100:
        return (
            "deployment_configuration: with minimum_healthy_percent and maximum_percent both 100 no task could be "
            "replaced. Lower the one, or raise the other."
        )
    return None


def percents(configuration: Mapping[str, Any]) -> tuple[int | None, int | None]:
    return configuration.get("minimum_healthy_percent"), configuration.get("maximum_percent")


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    return value


def wish_of(params: Mapping[str, Any], definition_arn: str | None) -> State:
    """What was asked for in AWS's words. What was not is not in it."""
    wish: State = placement_of(params)
    if definition_arn is not None:
        wish["taskDefinition"] = definition_arn
    if params["desired_count"] is not None:
        wish["desiredCount"] = params["desired_count"]
    if params["deployment_configuration"] is not None:
        wish["deploymentConfiguration"] = snake_dict_to_camel_dict(_without_none(params["deployment_configuration"]))
    if params["enable_execute_command"] is not None:
        wish["enableExecuteCommand"] = params["enable_execute_command"]
    if params["propagate_tags"] is not None:
        wish["propagateTags"] = params["propagate_tags"]
    return wish


def creation(wish: Mapping[str, Any], tags: Mapping[str, str] | None) -> State:
    """What CreateService is sent beside the names."""
    params = {"desiredCount": 1, **{k: v for k, v in wish.items() if v not in ([], {})}}
    if params.get("propagateTags") == "NONE":
        del params["propagateTags"]
    if tags:
        params["tags"] = ansible_dict_to_boto3_tag_list(dict(tags), tag_name_key_name="key", tag_value_key_name="value")
    return params


def state_of(raw: Raw) -> State:
    """What can be changed of a service, as it is."""
    return {
        "taskDefinition": raw.get("taskDefinition"),
        "desiredCount": raw.get("desiredCount"),
        "deploymentConfiguration": dict(raw.get("deploymentConfiguration") or {}),
        "placementConstraints": list(raw.get("placementConstraints") or []),
        "placementStrategy": list(raw.get("placementStrategy") or []),
        "enableExecuteCommand": bool(raw.get("enableExecuteCommand")),
        "propagateTags": raw.get("propagateTags") or "NONE",
        "tags": _labels.users(boto3_tag_list_to_ansible_dict(raw.get("tags") or [])),
    }


def wanted(current: State, wish: Mapping[str, Any], tags: Mapping[str, str] | None, purge_tags: bool) -> State:
    """What the service should become: a pure function of what it is and what was asked."""
    after = {**current, **wish}
    if "deploymentConfiguration" in wish:
        after["deploymentConfiguration"] = {**current["deploymentConfiguration"], **wish["deploymentConfiguration"]}
        breaker = wish["deploymentConfiguration"].get("deploymentCircuitBreaker")
        known = current["deploymentConfiguration"].get("deploymentCircuitBreaker") or {}
        if breaker:  # what AWS knows of it beyond what was asked for stays
            after["deploymentConfiguration"]["deploymentCircuitBreaker"] = {**known, **breaker}
    if _as_set(after["placementConstraints"]) == _as_set(current["placementConstraints"]):
        after["placementConstraints"] = current["placementConstraints"]  # their order says nothing
    change = _labels.change(current["tags"], tags, purge_tags)
    after["tags"] = _labels.applied(current["tags"], change)
    return after


def _as_set(items: list[Mapping[str, Any]]) -> set[tuple[tuple[str, Any], ...]]:
    return {tuple(sorted(item.items())) for item in items}


def update(current: State, after: State) -> State:
    """What UpdateService is sent to make *current* into *after*, tags aside."""
    return {name: value for name, value in after.items() if name != "tags" and current[name] != value}


def snake(state: State | None) -> State:
    """For diffs."""
    return boto3_resource_to_ansible_dict(state or {}, transform_tags=False, force_tags=False, ignore_list=["tags"])


def shown(raw: Raw | None) -> State:
    """The service as modules return it."""
    if not raw:
        return {}
    tags = boto3_tag_list_to_ansible_dict(raw.get("tags") or [])
    rest = {k: v for k, v in raw.items() if k != "tags"}
    rest["events"] = list(raw.get("events") or [])[:EVENTS]
    return {**boto3_resource_to_ansible_dict(rest, transform_tags=False, force_tags=False), "tags": tags}


def primary_of(raw: Raw) -> Raw | None:
    return next((d for d in raw.get("deployments") or [] if d.get("status") == "PRIMARY"), None)


class Progress(NamedTuple):
    """How a deployment fares: C(done), C(running) or C(failed), with words for people."""

    state: str
    words: str


def _counts(raw: Raw) -> str:
    desired, running, pending = (int(raw.get(name) or 0) for name in ("desiredCount", "runningCount", "pendingCount"))
    words = f"{running} of {desired} tasks running"
    return f"{words}, {pending} pending" if pending else words


def progress_of(raw: Raw, deployment_id: str) -> Progress:
    primary = primary_of(raw)
    watched = next((d for d in raw.get("deployments") or [] if d.get("id") == deployment_id), None)
    back = f"; ECS goes back to {str((primary or {}).get('taskDefinition')).rsplit('/', 1)[-1]}"
    if watched is not None and watched.get("rolloutState") == "FAILED":
        said = str(watched.get("rolloutStateReason") or "the deployment failed").rstrip(".")
        return Progress("failed", said + (back if primary is not None and primary is not watched else ""))
    if raw.get("status") != "ACTIVE":
        return Progress("failed", f"the service is {raw.get('status')}: somebody deleted it meanwhile")
    if primary is None:
        return Progress("failed", "the service has no deployment any more")
    if primary.get("id") != deployment_id:
        # One that has failed may be gone before anybody looks. What was said of it stays.
        failure = next((m for m in said_last(raw, 100) if deployment_id in m and "deployment failed" in m), "")
        if failure:
            return Progress("failed", failure.rstrip(".") + back)
        said = str(primary.get("rolloutStateReason") or "").rstrip(".")
        newer = f"another deployment took its place ({primary.get('id')}{': ' + said if said else ''})"
        return Progress("failed", newer)
    words = _counts(raw)
    former = [d for d in raw.get("deployments") or [] if d is not primary]
    if former:
        left = sum(int(d.get("runningCount") or 0) + int(d.get("pendingCount") or 0) for d in former)
        words += f", {left} of the former deployment left"
    if primary.get("failedTasks"):
        words += f", {primary['failedTasks']} failed to start"
    complete = primary.get("rolloutState") in (None, "COMPLETED") and not former
    even = int(raw.get("runningCount") or 0) == int(raw.get("desiredCount") or 0) and not raw.get("pendingCount")
    return Progress("done" if complete and even else "running", words)


def leaving(raw: Raw | None) -> str:
    """What a service that was deleted waits for. Empty if it is gone."""
    if not raw or raw.get("status") == "INACTIVE":
        return ""
    left = int(raw.get("runningCount") or 0) + int(raw.get("pendingCount") or 0)
    return f"{left} task{'' if left == 1 else 's'} to end"


def said_last(raw: Raw, most: int = 3) -> list[str]:
    """The newest events, without their head that names the service."""
    head = f"(service {raw.get('serviceName')}) "
    messages = [str(e.get("message") or "") for e in raw.get("events") or []]
    return [m[len(head) :] if m.startswith(head) else m for m in messages[:most]]
