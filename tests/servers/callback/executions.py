# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import json
import os
from collections import Counter

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: executions
type: notification
short_description: Counts the modules that are executed on each server
description: Writes them, by host, into the file that EXECUTIONS names.
"""

# These never leave the controller.
HERE = (
    "set_fact",
    "debug",
    "meta",
    "fail",
    "assert",
    "include_tasks",
    "import_tasks",
    "include_role",
    "validate_argument_spec",
)


class CallbackModule(CallbackBase):
    CALLBACK_NAME = "executions"

    def __init__(self):
        super().__init__()
        self.counts = Counter()

    def _note(self, result, item=False):
        task = result._task
        if bool(task.loop) == item and not task.delegate_to and task.action.split(".")[-1] not in HERE:
            self.counts[result._host.name] += 1

    def v2_runner_on_ok(self, result):
        self._note(result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._note(result)

    def v2_runner_item_on_ok(self, result):
        self._note(result, item=True)

    v2_runner_item_on_failed = v2_runner_item_on_ok

    def v2_playbook_on_stats(self, stats):
        with open(os.environ["EXECUTIONS"], "w", encoding="utf-8") as stream:
            json.dump(self.counts, stream)
