# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""External instances: the container instance and the managed node of a server joined. Pure functions, private."""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.tagging import boto3_tag_list_to_ansible_dict
from ansible_collections.amazon.aws.plugins.module_utils.transformation import boto3_resource_to_ansible_dict

_ID = re.compile(r"mi-[0-9a-f]{17}")
_NODE_KEYS = (
    "ping_status",
    "last_ping_date_time",
    "agent_version",
    "is_latest_version",
    "iam_role",
    "activation_id",
    "registration_date",
    "name",
    "computer_name",
    "ip_address",
    "platform_type",
    "platform_name",
    "platform_version",
    "resource_type",
    "association_status",
)


def problem_of_ids(ids: Iterable[str]) -> str | None:
    for managed_instance_id in ids:
        if not _ID.fullmatch(managed_instance_id):
            return f"managed_instance_ids: {managed_instance_id!r} is not mi- and 17 hexadecimal digits"
    return None


def node_of(raw: Mapping[str, Any]) -> dict[str, Any]:
    """DescribeInstanceInformation's answer as modules return it, with every documented key."""
    node = boto3_resource_to_ansible_dict(raw, force_tags=False) or {}
    return {**dict.fromkeys(_NODE_KEYS), **{key: node[key] for key in _NODE_KEYS if key in node}}


def container_instance_of(raw: Mapping[str, Any]) -> dict[str, Any]:
    """DescribeContainerInstances' answer as modules return it."""
    versions = raw.get("versionInfo") or {}
    docker = str(versions.get("dockerVersion") or "").removeprefix("DockerVersion:").strip()
    registered = raw.get("registeredAt")
    return {
        "container_instance_arn": raw["containerInstanceArn"],
        "status": raw.get("status"),
        "agent_connected": bool(raw.get("agentConnected")),
        "agent_version": versions.get("agentVersion") or None,
        "docker_version": docker or None,
        "attributes": {a["name"]: a.get("value") for a in raw.get("attributes") or []},
        "tags": boto3_tag_list_to_ansible_dict(raw.get("tags") or []),
        "running_tasks_count": int(raw.get("runningTasksCount") or 0),
        "pending_tasks_count": int(raw.get("pendingTasksCount") or 0),
        "registered_at": registered.isoformat() if registered is not None else None,
    }


def _rank(instance: Mapping[str, Any]) -> tuple[bool, bool, str, str]:
    return (
        instance["agent_connected"],
        instance["status"] == "ACTIVE",
        instance["registered_at"] or "",
        instance["container_instance_arn"],
    )


def joined(
    ids: Iterable[str], container_instances: Iterable[Mapping[str, Any]], nodes: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """One entry per managed instance id: those asked for and those that ECS knows."""
    by_id: dict[str, list[dict[str, Any]]] = {managed_instance_id: [] for managed_instance_id in ids}
    for raw in container_instances:
        by_id.setdefault(str(raw.get("ec2InstanceId")), []).append(container_instance_of(raw))
    node_by_id = {str(raw["InstanceId"]): node_of(raw) for raw in nodes}
    result = []
    for managed_instance_id in sorted(by_id):
        best_first = sorted(by_id[managed_instance_id], key=_rank, reverse=True)
        result.append(
            {
                "managed_instance_id": managed_instance_id,
                "ssm": node_by_id.get(managed_instance_id),
                "ecs": best_first[0] if best_first else None,
                "duplicates": sorted(i["container_instance_arn"] for i in best_first[1:]),
            }
        )
    return result
