# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

# This is a private module_util: it may change without notice.

"""Who a server is, and where: pure functions of (host, AWS, wanted)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Read = Mapping[str, Any]

CONFIG = "/etc/ecs/ecs.config"
MISMATCH = re.compile(r"saved cluster '([^']+)' does not match configured cluster '([^']+)'")


def account_of(arn: str | None) -> str | None:
    return arn.split(":")[4] if arn and arn.count(":") > 4 else None


def region_of(arn: str | None) -> str | None:
    return arn.split(":")[3] if arn and arn.count(":") > 4 else None


def cluster_name(cluster: str | None) -> str:
    return (cluster or "").rsplit("/", 1)[-1]


def joined_cluster(host: Read, aws: Read) -> str | None:
    """The cluster that the server is a container instance of, as far as the server can tell.

    A running agent knows. One that is down has a saved state, of the cluster in its settings; if these were changed
    since, the agent says so and ends. That line is believed only where nothing contradicts it, because it outlives what
    it tells.
    """
    agent = host["ecs_agent"]
    if agent["introspection"]:
        return cluster_name(agent["introspection"]["cluster"]) or None
    if not agent["saved_state"]:
        return None
    configured = cluster_name(host["ecs_config"][CONFIG]["settings"].get("ECS_CLUSTER"))
    node = aws["instances"].get(host["ssm_agent"]["registration"]["managed_instance_id"]) or {}
    said = MISMATCH.search((agent["log_tail"] or [""])[-1])
    if said and said.group(2) == configured and not node.get("ecs"):
        return said.group(1)
    return configured or None


def cluster_to_leave(host: Read, aws: Read, wanted: Read) -> str | None:
    """The other cluster that the server is in; None if it is in none, or in the wanted one."""
    joined = joined_cluster(host, aws)
    return joined if joined and joined != cluster_name(wanted["cluster"]) else None


def elsewhere_problems(host: Read, aws: Read, wanted: Read) -> list[str]:
    """The server is of another Region or account, where it could only be replaced and not moved from."""
    registration = host["ssm_agent"]["registration"]
    instance_id = registration["managed_instance_id"]
    arn = (host["ecs_agent"]["introspection"] or {}).get("container_instance_arn")
    if instance_id and registration["region"] not in (None, "", wanted["region"]):
        return [
            f"it is registered as {instance_id} in {registration['region']}, not in {wanted['region']}: check "
            "ecs_anywhere_region, or deregister it there first"
        ]
    if arn and region_of(arn) != wanted["region"]:
        return [
            f"it is the container instance {arn} in {region_of(arn)}, not in {wanted['region']}: check "
            "ecs_anywhere_region, or deregister it there first"
        ]
    if arn and aws["account"] and account_of(arn) != aws["account"]:
        return [
            f"it is a container instance of the account {account_of(arn)} ({arn}), but the credentials are of the "
            f"account {aws['account']}: check ecs_anywhere_aws_profile, or deregister it there first"
        ]
    return []


def move_reason(host: Read, leaving: str | None, wanted: Read) -> str | None:
    if leaving is None:
        return None
    instance_id = host["ssm_agent"]["registration"]["managed_instance_id"]
    return (
        f"it is a container instance of the cluster {leaving}, wanted is {cluster_name(wanted['cluster'])}: it is "
        f"drained and deregistered there and joins anew. Its managed node {instance_id} stays, and so do containers "
        "that ECS did not start"
    )


def is_mismatched(host: Read) -> bool:
    """AWS refused the server's fingerprint under its present registration."""
    said = host["ssm_agent"]["fingerprint_mismatch"]
    return said is not None and said >= (host["ssm_agent"]["registration"]["registered_at"] or "")


def is_of(host: Read, ssm: Read | None) -> tuple[bool, bool]:
    """Whether a managed node has the server's address, and its name. Agents tell the short or the full name."""
    name = str((ssm or {}).get("computer_name") or "").split(".", maxsplit=1)[0]
    return (ssm or {}).get("ip_address") in host["ip_addresses"], bool(name) and name == host["hostname"].split(".")[0]


def mismatch_reason(host: Read, node: Read | None, patience: int) -> str | None:
    """The server is not what it registered as, and nobody else works under its identity."""
    registration = host["ssm_agent"]["registration"]
    if not is_mismatched(host) or node is None:
        return None
    if node["ssm"]["ping_status"] == "Online" if node["ssm"] else (registration["age"] or 0) < patience:
        return None
    status = node["ssm"]["ping_status"] if node["ssm"] else "nothing"
    return (
        f"AWS does not take it for the machine that registered (MachineFingerprintDoesNotMatch since "
        f"{host['ssm_agent']['fingerprint_mismatch']}; its machine-id or hardware changed), Systems Manager says of "
        f"{registration['managed_instance_id']}: {status}. Its SSM agent sleeps though its unit is active, and never "
        "gets over it. The server gets a new id and a new container instance"
    )


def give_up_reason(host: Read, node: Read | None) -> str | None:
    """The former managed node is nobody else's: it has the server's own name and address."""
    if node is None or not node["ssm"] or is_of(host, node["ssm"]) != (True, True):
        return None
    ssm = node["ssm"]
    return (
        f"the managed node that it was ({ssm['computer_name']}, {ssm['ip_address']}) and the container instance of "
        "that are this server's, and nobody can work as them any more: they are deregistered"
    )
