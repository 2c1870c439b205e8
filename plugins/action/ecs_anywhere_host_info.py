# -*- coding: utf-8 -*-
# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _preflight
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _proxy_plan
from ansible_collections.hybrid.ecs_anywhere.plugins.plugin_utils import _role_options

# For validation: Ansible's own is a task entry of its own, which a play may leave out. The strategy loads this file
# before it forks, so that no worker has to read the specification again.
OPTIONS = _role_options.options_of(Path(__file__).parents[2] / "roles" / "ecs_anywhere")


class ActionModule(ActionBase):
    """Reads a server and remembers, beside the answer, what the play wants of it.

    Role variables of one host cannot be seen from another host's tasks, registered results can: so a later run-once
    task knows every server's Region, cluster and so on at the price of no further task.
    """

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = dict(self._task.args)
        wanted = None
        if boolean(args.pop("wanted", False)):
            strategy = self._task.get_play().strategy.rsplit(".", 1)[-1]
            if not (strategy.endswith("linear") or strategy == "debug"):
                return {
                    **result,
                    "failed": True,
                    "msg": f"the play's strategy is '{strategy}', under which Ansible runs a run-once task once "
                    "for every host: each server would get its own activation. Use 'strategy: linear' for this role.",
                }
            try:
                if not self._task._role:
                    raise ValueError("wanted: only a role has variables that say what is wanted")
                values = self._values(task_vars or {})
                wanted = _role_options.wanted_of(values, OPTIONS)
                if wanted["preflight"] and wanted["state"] == "present":
                    environment = _proxy_plan.environment(values.get("ecs_anywhere_proxy"))
                    args["preflight"] = {"endpoints": _preflight.endpoints(wanted), "environment": environment}
            except ValueError as error:
                return {**result, "failed": True, "msg": str(error)}
        try:
            result.update(self._execute_module(module_args=args, task_vars=task_vars))
        except AnsibleConnectionFailure as error:
            # A server that is to leave can be gone: what is wanted of it at AWS must be known nevertheless.
            if wanted is None or wanted["state"] != "absent" or wanted["leave"]["unreachable"] != "aws_side":
                raise
            result.update(out_of_reach=True, msg=str(error))
        if wanted is not None:
            # One text: Ansible copies every value of a result several times, for every server.
            result["wanted"] = json.dumps(wanted)
        return result

    def _values(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        names = (*_role_options.VARIABLES, _role_options.UPGRADE)
        variables = {name: task_vars[name] for name in names if name in task_vars}
        values: dict[str, Any] = self._templar.template(variables)
        return values
