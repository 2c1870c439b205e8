# -*- coding: utf-8 -*-
# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import time
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._connected import missing
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._connected import progress

display = Display()

SECONDS_BETWEEN_LOOKS = 5


class ActionModule(ActionBase):
    """Looks once, or with O(wait) again and again, and says how far it is: a module could only be silent."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = dict(self._task.args)
        wait = boolean(args.pop("wait", False))
        versions = args.get("agent_versions")
        deadline = time.monotonic() + float(args.pop("wait_timeout", 300))
        said = None
        while True:
            answer = self._execute_module(module_args=args, task_vars=task_vars)
            result.update(answer)
            if not wait or result.get("failed"):
                return result
            line = progress(result["instances"], versions)
            if line != said:
                display.display(f"{args.get('cluster')}: {line}")
                said = line
            absent = missing(result["instances"], versions)
            if not absent:
                return result
            if time.monotonic() >= deadline:
                return {**result, "failed": True, "msg": f"Timed out: {line}.", "missing": sorted(absent)}
            time.sleep(SECONDS_BETWEEN_LOOKS)
