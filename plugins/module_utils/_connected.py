# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

# This is a private module_util: it may change without notice.

"""Which of some external instances does AWS not see working yet, and what does it see instead."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._exec_plan import capability_reason

# More names than that make a line that nobody reads.
NAMED = 5


# By managed instance id, what is waited for of its agents: {"ssm": "3.3.4108.0", "ecs": "1.105.1", "exec": True}. With
# "draining" it may drain meanwhile.
Versions = Mapping[str, Mapping[str, Any]]


def agents_wanted(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What AWS has to say of the agents of a server, from the role's variables."""
    versions = {"ssm": wanted["ssm_agent_version"], "ecs": wanted["ecs_agent_version"]}
    # an upgrade goes on only with those that are ACTIVE, or were drained for it
    return {**versions, **{key: True for key, of in (("exec", "exec"), ("draining", "upgrade")) if wanted.get(of)}}


def serves(ecs: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a container instance has the status that it should have."""
    return ecs.get("status") == "ACTIVE" or (ecs.get("status") == "DRAINING" and bool(wanted.get("draining")))


def other_versions(
    ssm: Mapping[str, Any] | None, ecs: Mapping[str, Any] | None, wanted: Mapping[str, Any]
) -> list[str]:
    """What AWS says of the agents, where it is not what is wanted."""
    capability = capability_reason(wanted, ecs)
    return [
        f"{side} says that its agent is {seen.get('agent_version') or 'unknown'}, wanted is {wanted[key]}"
        for side, key, seen in (("Systems Manager", "ssm", ssm), ("ECS", "ecs", ecs))
        if seen and wanted.get(key) and seen.get("agent_version") != wanted[key]
    ] + ([capability] if capability else [])


def missing(instances: Iterable[Mapping[str, Any]], versions: Versions | None = None) -> dict[str, str]:
    """The instances that are not Online, ACTIVE and connected, by managed instance id, each with what is seen.

    Those that *versions* names have to have these agents, too.
    """
    found = {}
    for instance in instances:
        ssm = instance["ssm"] or {}
        ecs = instance["ecs"] or {}
        wanted = (versions or {}).get(instance["managed_instance_id"]) or {}
        others = other_versions(ssm, ecs, wanted)
        is_there = ssm.get("ping_status") == "Online" and serves(ecs, wanted) and ecs.get("agent_connected")
        if is_there and not others:
            continue
        name = ssm.get("computer_name")
        who = f"{instance['managed_instance_id']} ({name})" if name else instance["managed_instance_id"]
        connection = "" if not ecs else ", connected" if ecs["agent_connected"] else ", not connected"
        found[instance["managed_instance_id"]] = (
            f"{who}: Systems Manager {ssm.get('ping_status') or 'does not know it'}, "
            f"ECS {ecs.get('status') or 'does not know it'}{connection}" + "".join(f", {words}" for words in others)
        )
    return found


def progress(instances: Iterable[Mapping[str, Any]], versions: Versions | None = None) -> str:
    """One line: how many are there, and who is not."""
    instances = list(instances)
    absent = list(missing(instances, versions).values())
    line = f"{len(instances) - len(absent)} of {len(instances)} connected"
    if absent:
        line += "; waiting for " + "; ".join(absent[:NAMED])
    if len(absent) > NAMED:
        line += f"; and {len(absent) - NAMED} more"
    return line
