# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

# This is a private module_util: it may change without notice.

"""Which of some external instances does AWS not see working yet, and what does it see instead."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

# More names than that make a line that nobody reads.
NAMED = 5


def missing(instances: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The instances that are not Online, ACTIVE and connected, by managed instance id, each with what is seen."""
    found = {}
    for instance in instances:
        ssm = instance["ssm"] or {}
        ecs = instance["ecs"] or {}
        if ssm.get("ping_status") == "Online" and ecs.get("status") == "ACTIVE" and ecs.get("agent_connected"):
            continue
        name = ssm.get("computer_name")
        who = f"{instance['managed_instance_id']} ({name})" if name else instance["managed_instance_id"]
        connection = "" if not ecs else ", connected" if ecs["agent_connected"] else ", not connected"
        found[instance["managed_instance_id"]] = (
            f"{who}: Systems Manager {ssm.get('ping_status') or 'does not know it'}, "
            f"ECS {ecs.get('status') or 'does not know it'}{connection}"
        )
    return found


def progress(instances: Iterable[Mapping[str, Any]]) -> str:
    """One line: how many are there, and who is not."""
    instances = list(instances)
    absent = list(missing(instances).values())
    line = f"{len(instances) - len(absent)} of {len(instances)} connected"
    if absent:
        line += "; waiting for " + "; ".join(absent[:NAMED])
    if len(absent) > NAMED:
        line += f"; and {len(absent) - NAMED} more"
    return line
