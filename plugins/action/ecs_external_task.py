# -*- coding: utf-8 -*-
# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _task_passes
from ansible_collections.hybrid.ecs_anywhere.plugins.plugin_utils._watch import watch

# What starts tasks. A look has none of it.
ORDERS = (
    "task_definition",
    "task_definition_document",
    "deregister",
    "managed_instance_ids",
    "container_instances",
    "count",
    "placement_constraints",
    "placement_strategy",
)


class ActionModule(ActionBase):
    """Runs the module, and with O(wait) looks at its tasks until they have ended. Says how far they are meanwhile."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = dict(self._task.args)
        result.update(self._execute_module(module_args=args, task_vars=task_vars))
        if not boolean(args.get("wait", True)) or not result.get("unfinished"):
            return result
        looks = {name: value for name, value in args.items() if name not in ORDERS}

        def look(so_far: dict[str, Any]) -> dict[str, Any]:
            answer: dict[str, Any] = self._execute_module(
                module_args={**looks, "tasks": so_far["unfinished"]}, task_vars=task_vars
            )
            return answer

        return watch(
            result,
            look,
            _task_passes.merged,
            _task_passes.progress,
            _task_passes.timed_out,
            str(args.get("cluster")),
            float(args.get("wait_timeout", 600)),  # the module has looked whether it is a number
        )
