# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Several executions of ecs_external_task told as one. Pure functions, private to this collection."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from ._external_instance import NAMED
from ._external_instance import summary

Result = dict[str, Any]
Task = Mapping[str, Any]


def name_of(task: Task) -> str:
    """What people call it: the server that it was for, else the task."""
    arn = task["container_instance_arn"] or task["task_arn"] or "(nowhere)"
    return str(task["managed_instance_id"] or arn.rsplit("/", 1)[-1])


def told(result: Mapping[str, Any]) -> Result:
    """*result* failed if one of its tasks did, with a message of all that did."""
    rest = {key: value for key, value in result.items() if key not in ("failed", "msg")}
    tasks = result["tasks"]
    # one instance may have several
    failures = {f"{name_of(t)}\0{number}": t["msg"] for number, t in enumerate(tasks) if t["failed"]}
    if failures:
        rest.update(failed=True, msg=summary(failures, len(tasks), "tasks"))
    return rest


def merged(first: Mapping[str, Any], later: Mapping[str, Any]) -> Result:
    """*later* looked at some of the tasks of *first* again."""
    again = {t["task_arn"]: t for t in later["tasks"]}
    tasks = []
    for one in first["tasks"]:
        two = again.get(one["task_arn"]) if one["task_arn"] else None
        # a look at what still runs does not ask for everything
        tasks.append({**one, **{k: v for k, v in (two or {}).items() if v not in (None, [])}})
    return told({**first, "tasks": tasks, "unfinished": later["unfinished"]})


def _states(tasks: Iterable[Task]) -> str:
    counted = Counter(str(t["last_status"]).lower() for t in tasks)
    return ", ".join(f"{count} {state}" for state, count in sorted(counted.items()))


def progress(result: Mapping[str, Any]) -> str:
    """One line: how many have ended, and what the others do."""
    tasks, waiting = result["tasks"], set(result["unfinished"])
    still = [t for t in tasks if t["task_arn"] in waiting]
    failed = sum(t["failed"] for t in tasks)
    line = f"{len(tasks) - len(still)} of {len(tasks)} tasks have ended"
    if failed:
        line += f", {failed} failed"
    if still:
        names = [name_of(t) for t in still]
        line += f"; {_states(still)} on {', '.join(names[:NAMED])}"
        if len(names) > NAMED:
            line += f" and {len(names) - NAMED} more"
    return line


def timed_out(result: Mapping[str, Any], timeout: float) -> Result:
    """Those that have not ended have failed. They are left alone."""
    waiting = set(result["unfinished"])
    tasks = []
    for one in result["tasks"]:
        if one["task_arn"] in waiting:
            hint = (
                "Likely cause: its image is still being pulled, or the ECS agent cannot start it; look at "
                "/var/log/ecs/ecs-agent.log on the server."
                if one["last_status"] != "RUNNING"
                else "It goes on running."
            )
            one = {
                **one,
                "failed": True,
                "msg": f"Timed out after {timeout:g} seconds: the task is {one['last_status']}. {hint} Next: wait for "
                "it with the option tasks and a longer wait_timeout, or stop it.",
            }
        tasks.append(one)
    return told({**result, "tasks": tasks})
