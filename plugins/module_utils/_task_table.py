# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Tasks and how they ended, as a table for a terminal. Pure functions, private to this collection."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from ._table import plain
from ._table import rows
from ._table import wrapped
from ._task_passes import name_of

Task = Mapping[str, Any]


def result_of(task: Task) -> str:
    if task["failed"]:
        return "failed" if task["task_arn"] else "not started"
    return "ok" if task["last_status"] == "STOPPED" else str(task["last_status"]).lower()


def task_table(tasks: Iterable[Task], names: Mapping[str, str] | None = None, width: int = 100) -> list[str]:
    """A total, the tasks with those that failed first, and why; no line is longer than *width*."""
    names = names or {}
    tasks = sorted(tasks, key=lambda t: (not t["failed"], names.get(name_of(t), name_of(t)).lower()))
    if not tasks:
        return ["There are no tasks."]
    failed = [t for t in tasks if t["failed"]]
    lines = [f"{len(tasks)} tasks: {len(tasks) - len(failed)} ok, {len(failed)} failed"]
    cells = [["SERVER", "INSTANCE", "RESULT", "EXIT", "REASON"]]
    for one in tasks:
        name = name_of(one)
        code = "" if one["exit_code"] is None else str(one["exit_code"])
        cells.append([names.get(name, ""), name, result_of(one), code, one["stopped_reason"]])
    if not names:
        cells = [row[1:] for row in cells]
    lines += ["", *rows([[plain(cell) for cell in row] for row in cells], width, [len(cells[0]) - 1, 0])]
    why: dict[str, list[str]] = {}
    for one in failed:
        name = name_of(one)
        why.setdefault(one["msg"], []).append(names.get(name, name))
    for message, servers in why.items():
        lines += ["", *wrapped(f"{', '.join(servers)}: {message}", width)]
    return lines
