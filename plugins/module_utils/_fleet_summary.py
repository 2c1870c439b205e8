# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A fleet in numbers, and as a table for a terminal. Pure functions, private to this collection."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from ._health import SEVERITIES
from ._health import version_key
from ._table import plain
from ._table import rows
from ._table import wrapped

Instance = Mapping[str, Any]
NO_CLUSTER = "(none)"
# Healthy servers are named only in a fleet that is not larger.
NAMED_IF_HEALTHY = 50
STATES = list(SEVERITIES)


def name_of(instance: Instance) -> str:
    """What people call it: its host name, else the name its activation gave it."""
    ssm = instance["ssm"] or {}
    return str(ssm.get("computer_name") or ssm.get("name") or "")


def cluster_of(instance: Instance) -> str:
    return str((instance["ecs"] or {}).get("cluster") or NO_CLUSTER)


def connection_of(instance: Instance) -> tuple[str, str]:
    """What Systems Manager and what ECS say of it."""
    ssm, ecs = instance["ssm"], instance["ecs"]
    ecs_says = "unknown"
    if ecs:
        ecs_says = f"{ecs['status']}, {'connected' if ecs['agent_connected'] else 'not connected'}"
    return str(ssm["ping_status"]) if ssm else "unknown", ecs_says


def worst_first(instances: Iterable[Instance]) -> list[Instance]:
    return sorted(
        instances, key=lambda i: (STATES.index(i["health"]["state"]), name_of(i).lower(), i["managed_instance_id"])
    )


def _counted(values: Iterable[str]) -> dict[str, int]:
    return dict(Counter(values))


def _in_order(states: Mapping[str, int]) -> dict[str, int]:
    return {state: states[state] for state in STATES if state in states}


def summary(instances: Iterable[Instance]) -> dict[str, Any]:
    """Totals, health by cluster, agents' versions with the newest first."""
    instances = list(instances)
    by_cluster: dict[str, list[str]] = {}
    for instance in instances:
        by_cluster.setdefault(cluster_of(instance), []).append(instance["health"]["state"])
    versions = {}
    for side in ("ecs", "ssm"):
        found = _counted((i[side] or {}).get("agent_version") or "unknown" for i in instances if i[side])
        versions[side] = {v: found[v] for v in sorted(found, key=version_key, reverse=True)}
    return {
        "instances": len(instances),
        "health": _in_order(_counted(i["health"]["state"] for i in instances)),
        "severity": _counted(i["health"]["severity"] for i in instances),
        "clusters": {name: _in_order(_counted(by_cluster[name])) for name in sorted(by_cluster)},
        "agent_versions": versions,
    }


def in_words(states: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in states.items())


def fleet_table(instances: Iterable[Instance], width: int = 100) -> list[str]:
    """Lines of plain ASCII, none longer than *width*: totals, the instances, what repairs them."""
    instances = worst_first(instances)
    found = summary(instances)
    if not instances:
        return ["There are no external instances."]
    lines = textwrap.wrap(f"{len(instances)} external instances: {in_words(found['health'])}", width)
    for name, states in found["clusters"].items():
        lines += wrapped(f"cluster {name}: {in_words(states)}", width)
    shown = instances
    if len(instances) > NAMED_IF_HEALTHY:
        shown = [i for i in instances if i["health"]["severity"] != "ok"]
    if shown:
        cells = [["SERVER", "ID", "CLUSTER", "HEALTH", "SSM", "ECS"]]
        for one in shown:
            ssm, ecs = connection_of(one)
            # words that leave room for names
            ssm, ecs = (
                ssm.replace("ConnectionLost", "lost"),
                ecs.replace(", connected", "").replace("not connected", "away"),
            )
            state = one["health"]["state"]
            cells.append([name_of(one) or "?", one["managed_instance_id"], cluster_of(one), state, ssm, ecs])
        lines += ["", *rows([[plain(cell) for cell in row] for row in cells], width, elastic=(2, 0, 5))]
    if len(shown) < len(instances):
        lines.append(f"and {len(instances) - len(shown)} that are healthy")
    repairs: dict[tuple[str, str], int] = {}
    for instance in instances:
        for trouble in instance["health"]["troubles"]:
            repairs[trouble["state"], trouble["repair"]] = repairs.get((trouble["state"], trouble["repair"]), 0) + 1
    if repairs:
        lines += ["", "What to do:"]
    for (state, repair), count in sorted(repairs.items(), key=lambda item: STATES.index(item[0][0])):
        lines += wrapped(f"{state} ({count}): {repair}", width)
    return lines
