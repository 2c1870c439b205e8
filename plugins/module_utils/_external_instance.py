# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""External instances: the container instance and the managed node of a server joined. Pure functions, private."""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

from ansible_collections.amazon.aws.plugins.module_utils.tagging import boto3_tag_list_to_ansible_dict
from ansible_collections.amazon.aws.plugins.module_utils.transformation import boto3_resource_to_ansible_dict

from ._role_name import is_replaced

# More names than that make a line that nobody reads.
NAMED = 5
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


def cluster_of(arn: str) -> str | None:
    """The cluster's name in the ARN of a container instance. ARNs had none before 2018."""
    parts = arn.split("/")
    return parts[1] if len(parts) == 3 else None


def container_instance_of(raw: Mapping[str, Any]) -> dict[str, Any]:
    """DescribeContainerInstances' answer as modules return it."""
    versions = raw.get("versionInfo") or {}
    docker = str(versions.get("dockerVersion") or "").removeprefix("DockerVersion:").strip()
    registered = raw.get("registeredAt")
    return {
        "container_instance_arn": raw["containerInstanceArn"],
        "cluster": cluster_of(raw["containerInstanceArn"]),
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


def best_first(instances: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Container instances of one server: the connected one, else the active one, else the newest comes first."""
    return sorted(instances, key=_rank, reverse=True)


def joined(
    ids: Iterable[str],
    container_instances: Iterable[Mapping[str, Any]],
    nodes: Iterable[Mapping[str, Any]],
    iam_role: str | None = None,
) -> list[dict[str, Any]]:
    """One entry per managed instance id: those asked for and those that ECS knows."""
    by_id: dict[str, list[dict[str, Any]]] = {managed_instance_id: [] for managed_instance_id in ids}
    for raw in container_instances:
        by_id.setdefault(str(raw.get("ec2InstanceId")), []).append(container_instance_of(raw))
    node_by_id = {str(raw["InstanceId"]): node_of(raw) for raw in nodes}
    result = []
    for managed_instance_id in sorted(by_id):
        ranked = best_first(by_id[managed_instance_id])
        result.append(
            {
                "managed_instance_id": managed_instance_id,
                "ssm": node_by_id.get(managed_instance_id),
                "ecs": ranked[0] if ranked else None,
                "duplicates": sorted(i["container_instance_arn"] for i in ranked[1:]),
                "role_replaced": role_replaced(node_by_id.get(managed_instance_id), iam_role),
            }
        )
    return result


def role_replaced(node: Mapping[str, Any] | None, iam_role: str | None) -> bool | None:
    """Whether the managed node works under another role. None: nobody knows its role, or nobody asked."""
    if node is None or not node["iam_role"] or iam_role is None:
        return None
    return is_replaced(node["iam_role"], iam_role)


# ---- one of them changed


class Wish(NamedTuple):
    """What was asked for. None means: leave it as it is."""

    iam_role: str | None = None


def state_of(node: Mapping[str, Any]) -> dict[str, Any]:
    """What can be changed of an instance, as it is."""
    return {"iam_role": node["iam_role"]}


def wanted(current: Mapping[str, Any], wish: Wish) -> dict[str, Any]:
    """What the instance should become: a pure function of what it is and what was asked."""
    after = dict(current)
    if wish.iam_role is not None and (not current["iam_role"] or is_replaced(current["iam_role"], wish.iam_role)):
        after["iam_role"] = wish.iam_role
    return after


def summary(failures: Mapping[str, str], count: int, noun: str = "instances") -> str:
    """One message for all that failed; those that failed alike are named together.

    What follows a null character in a name only tells things of the same name apart.
    """
    alike: dict[str, list[str]] = {}
    for name, message in failures.items():
        alike.setdefault(message, []).append(name.split("\0", 1)[0])
    parts = [f"{_named(ids)}: {message}" for message, ids in list(alike.items())[:NAMED]]
    if len(alike) > NAMED:
        parts.append(f"And {len(alike) - NAMED} more messages, see {noun}.")
    return f"{len(failures)} of {count} {noun} failed. {' '.join(parts)}"


def _named(ids: list[str]) -> str:
    return ", ".join(ids[:NAMED]) + (f" and {len(ids) - NAMED} more" if len(ids) > NAMED else "")
