# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

# This is a private module_util: it may change without notice.

"""Container instances as which no server works any more: pure functions of (host, AWS, wanted)."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._identity import region_of

Read = Mapping[str, Any]


def orphaned(host: Read, aws: Read, abandoned: bool) -> list[str]:
    """Container instances of this server as which nobody works, or will work once it is registered anew.

    abandoned: nobody works as any, because the server gets a new id, or works in another cluster until it is moved.
    What the agent on the server says it is belongs to the server. That the remains of a registration name an id does
    not: they may have come with an image of a server that lives.
    """
    registration = host["ssm_agent"]["registration"]
    instance_id = registration["managed_instance_id"]
    node = aws["instances"].get(instance_id or registration["former_managed_instance_id"]) or {}
    if not node.get("ecs") or registration["interrupted"]:
        return []
    arns = {node["ecs"]["container_instance_arn"], *node["duplicates"]}
    if abandoned:
        return sorted(arns)
    own = (host["ecs_agent"]["introspection"] or {}).get("container_instance_arn")
    if own not in arns:
        return []
    return sorted(arns - {own}) if instance_id else [str(own)]


def noted(host: Read, aws: Read, wanted: Read) -> list[str]:
    """What a run noted of the server before it registered it anew, and was ended before it retired that.

    If the registration failed and the server is what it was, that is none. No agent works as any of the others,
    whatever image the note came with.
    """
    registration = host["ssm_agent"]["registration"]
    instance_id = registration["managed_instance_id"]
    if registration["interrupted"] and not instance_id:
        return []  # what it was comes back
    node = aws["instances"].get(instance_id) or {}
    own = {(node.get("ecs") or {}).get("container_instance_arn"), *(node.get("duplicates") or ())}
    former = set(registration["former_container_instances"]) - own
    return sorted(arn for arn in former if region_of(arn) == wanted["region"])


def _names(arns: Iterable[str]) -> str:
    return ", ".join(arn.rsplit("/", 1)[-1] for arn in arns)


def retire_reason(found: list[str], former: list[str], replaced: bool) -> str | None:
    """*found* is what AWS has, *former* what a run noted, of which AWS was not asked."""
    reasons = []
    if found:
        why = "it was of its former id" if replaced else "its ECS agent works as another one"
        reasons.append(
            f"the cluster still has its container instance {_names(found)}: {why}, and ECS would never remove it by "
            "itself"
        )
    if former:
        reasons.append(
            f"it was the container instance {_names(former)} until a run that did not end registered it anew, and may "
            "be that in the cluster still"
        )
    return "; ".join(reasons) or None


def by_cluster(arns: Iterable[str], cluster: str) -> dict[str, list[str]]:
    """The ARNs of each cluster. It is a part of them; where it is not, they are of *cluster*."""
    found: dict[str, list[str]] = {}
    for arn in arns:
        parts = arn.split("/")
        found.setdefault(parts[1] if len(parts) > 2 else cluster, []).append(arn)
    return found
