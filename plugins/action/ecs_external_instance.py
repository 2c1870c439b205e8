# -*- coding: utf-8 -*-
# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _passes
from ansible_collections.hybrid.ecs_anywhere.plugins.plugin_utils._watch import watch


class ActionModule(ActionBase):
    """Runs the module, and with O(wait) again for those that are not finished. Says how far it is meanwhile."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = dict(self._task.args)
        first = self._execute_module(module_args=args, task_vars=task_vars)
        result.update(first)
        if not boolean(args.get("wait", True)) or not first.get("unfinished"):
            return result

        def look(so_far: dict[str, Any]) -> dict[str, Any]:
            answer: dict[str, Any] = self._execute_module(
                module_args={**args, "managed_instance_ids": so_far["unfinished"]}, task_vars=task_vars
            )
            return answer

        return watch(
            result,
            look,
            _passes.merged,
            _passes.progress,
            lambda so_far, timeout: self._given_up(args, first, _passes.timed_out(so_far, timeout), task_vars),
            args.get("cluster") or "Systems Manager",
            float(args.get("wait_timeout", 600)),  # the module has looked whether it is a number
        )

    def _given_up(
        self, args: dict[str, Any], first: dict[str, Any], result: dict[str, Any], task_vars: dict[str, Any] | None
    ) -> dict[str, Any]:
        ids = _passes.to_restore(first, result)
        if not boolean(args.get("restore_on_timeout", False)) or not ids:
            return result
        again = {**args, "managed_instance_ids": ids, "state": "active", "wait": False}
        later = self._execute_module(module_args=again, task_vars=task_vars)
        if "instances" not in later:
            return {**result, "msg": f"{result['msg']} They could not be made active again: {later.get('msg')}"}
        return _passes.restored(result, later)
