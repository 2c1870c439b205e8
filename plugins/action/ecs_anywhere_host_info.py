# -*- coding: utf-8 -*-
# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import json
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _ecs_config
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _preflight
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _proxy
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _ssm_config


def without_secrets(wanted: dict[str, Any]) -> dict[str, Any]:
    """*wanted*, its agent settings as the files would hold them and masked as the server masks its own.

    As plain values: Ansible's own remember where they were written, and every later copy of them pays for that.
    """
    try:
        files = {
            path: {
                k: None if v is None else _ecs_config.masked(k, v) for k, v in _ecs_config.wanted_settings(s).items()
            }
            for path, s in (wanted.get("ecs_config") or {}).items()
        }
    except ValueError as error:
        raise ValueError(f"The settings of the ECS agent: {error}") from error
    proxy = _ecs_config.masked_settings(_proxy.environment(wanted.get("proxy")))
    ssm_config = _ssm_config.wanted_config(
        wanted.get("ssm_agent_config"), wanted.get("credentials_profile"), bool(wanted.get("ec2_as_external"))
    )
    plain: dict[str, Any] = json.loads(
        json.dumps({**wanted, "ecs_config": files, "proxy": proxy, "ssm_config": ssm_config})
    )
    return plain


class ActionModule(ActionBase):
    """Reads a server and remembers, beside the answer, what the play wants of it.

    Role variables of one host cannot be seen from another host's tasks, registered results can: so a later run-once
    task knows every server's Region, cluster and so on at the price of no further task.
    """

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = dict(self._task.args)
        wanted = args.pop("wanted", None)
        if wanted is not None:
            strategy = self._task.get_play().strategy.rsplit(".", 1)[-1]
            if not (strategy.endswith("linear") or strategy == "debug"):
                return {
                    **result,
                    "failed": True,
                    "msg": f"the play's strategy is '{strategy}', under which Ansible runs a run-once task once "
                    "for every host: each server would get its own activation. Use 'strategy: linear' for this role.",
                }
            try:
                environment = _proxy.environment(wanted.get("proxy"))
                wanted = without_secrets(wanted)
                if wanted.get("preflight"):
                    args["preflight"] = {"endpoints": _preflight.endpoints(wanted), "environment": environment}
            except ValueError as error:
                return {**result, "failed": True, "msg": str(error)}
        result.update(self._execute_module(module_args=args, task_vars=task_vars))
        if wanted is not None:
            result["wanted"] = wanted
        return result
