# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What can be done now to bring a server to a state, and what has to be waited for. Pure functions, private."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

from ._drain_mark import mark_of

Instance = Mapping[str, Any]


class Goal(NamedTuple):
    """The state that was asked for, and how."""

    state: str = "active"
    force: bool = False
    ecs: bool = True
    ssm: bool = True
    drain_reason: str | None = None


class Step(NamedTuple):
    """The next step of a server. Each leads on to another, until there is none: it can be resumed from anywhere."""

    do: str  # mark | unmark | activate | drain | wait | deregister | release | none
    arns: tuple[str, ...] = ()


def busy(instance: Instance) -> int:
    """How many tasks it still has."""
    return int(instance["running_tasks_count"]) + int(instance["pending_tasks_count"])


def _arns(instances: Iterable[Instance]) -> tuple[str, ...]:
    return tuple(sorted(i["container_instance_arn"] for i in instances))


def _to_active(there: list[Instance], goal: Goal) -> Step:
    """What has no mark, or another, stays as it is if a reason is given."""
    own = [i for i in there if goal.drain_reason is None or mark_of(i) == goal.drain_reason]
    drained = _arns(i for i in own if i["status"] == "DRAINING")
    if drained:
        return Step("activate", drained)
    marked = _arns(i for i in own if mark_of(i) is not None)  # last: until it is active, the mark tells whose it is
    return Step("unmark", marked) if marked else Step("none")


def _to_draining(active: list[Instance], there: list[Instance], goal: Goal) -> Step:
    """The mark is put before the state is changed: what is drained without one was drained by somebody else."""
    if goal.drain_reason is not None:
        unmarked = _arns(i for i in active if mark_of(i) != goal.drain_reason)
        if unmarked:
            return Step("mark", unmarked)
    else:
        # one that a killed run left would give what is drained now a reason that is not its own
        marked = _arns(i for i in (there if goal.state == "draining" else active) if mark_of(i) is not None)
        if marked:
            return Step("unmark", marked)
    return Step("drain", _arns(active)) if active else Step("none")


def next_step(instances: Iterable[Instance], node: object, goal: Goal) -> Step:
    """*instances* are the container instances of one server, usually one; *node* is its managed node, or None."""
    there = [i for i in instances if i["status"] != "INACTIVE"] if goal.ecs else []
    if goal.state == "active":
        return _to_active(there, goal)
    force = goal.force and goal.state == "absent"
    active = [i for i in there if i["status"] == "ACTIVE"]
    step = Step("none") if force else _to_draining(active, there, goal)
    if step.do != "none":
        return step
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
