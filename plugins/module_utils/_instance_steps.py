# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What can be done now to bring a server to a state, and what has to be waited for. Pure functions, private."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

Instance = Mapping[str, Any]


class Goal(NamedTuple):
    """The state that was asked for, and how."""

    state: str = "active"
    force: bool = False
    ecs: bool = True
    ssm: bool = True


class Step(NamedTuple):
    """The next step of a server. Each leads on to another, until there is none: it can be resumed from anywhere."""

    do: str  # activate | drain | wait | deregister | release | none
    arns: tuple[str, ...] = ()


def busy(instance: Instance) -> int:
    """How many tasks it still has."""
    return int(instance["running_tasks_count"]) + int(instance["pending_tasks_count"])


def _arns(instances: Iterable[Instance]) -> tuple[str, ...]:
    return tuple(sorted(i["container_instance_arn"] for i in instances))


def next_step(instances: Iterable[Instance], node: object, goal: Goal) -> Step:
    """*instances* are the container instances of one server, usually one; *node* is its managed node, or None."""
    there = [i for i in instances if i["status"] != "INACTIVE"] if goal.ecs else []
    if goal.state == "active":
        drained = _arns(i for i in there if i["status"] == "DRAINING")
        return Step("activate", drained) if drained else Step("none")
    force = goal.force and goal.state == "absent"
    active = _arns(i for i in there if i["status"] == "ACTIVE")
    if active and not force:
        return Step("drain", active)
    occupied = _arns(i for i in there if busy(i) and not force)
    if goal.state == "draining":
        return Step("wait", occupied) if occupied else Step("none")
    free = tuple(arn for arn in _arns(there) if arn not in occupied)
    if free:
        return Step("deregister", free)
    if occupied:
        return Step("wait", occupied)
    return Step("release") if goal.ssm and node is not None else Step("none")


def is_standalone(task: Mapping[str, Any]) -> bool:
    """Draining ends tasks of services only."""
    return not str(task.get("group") or "").startswith("service:")


def waits_for(instances: Iterable[Instance]) -> str:
    """What a server that is not finished waits for, for people."""
    occupied = [i for i in instances if busy(i)]
    count = sum(busy(i) for i in occupied)
    words = f"{count} task{'' if count == 1 else 's'} to end"
    if any(not i["agent_connected"] for i in occupied):
        words += ", but its agent is not connected and cannot end them"
    return words
