# -*- coding: utf-8 -*-
# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _service_passes
from ansible_collections.hybrid.ecs_anywhere.plugins.plugin_utils._watch import watch


class ActionModule(ActionBase):
    """Runs the module, and with O(wait) looks at the deployment until it is over. Says how far it is meanwhile."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = dict(self._task.args)
        result.update(self._execute_module(module_args=args, task_vars=task_vars))
        if not boolean(args.get("wait", True)) or result.get("failed") or not result.get("unfinished"):
            return result

        def look(so_far: dict[str, Any]) -> dict[str, Any]:
            """At the deployment that was made, without making another; else what had to wait is tried again."""
            again = dict(args)
            if so_far.get("deployment"):
                again["deployment"] = so_far["deployment"]["id"]
            answer: dict[str, Any] = self._execute_module(module_args=again, task_vars=task_vars)
            return answer

        return watch(
            result,
            look,
            _service_passes.merged,
            _service_passes.progress,
            _service_passes.timed_out,
            f"{args.get('cluster')}, service {args.get('name')}",
            float(args.get("wait_timeout", 600)),  # the module has looked whether it is a number
        )
