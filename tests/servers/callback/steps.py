# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import json
import os
import signal
from threading import Timer

from ansible.playbook.task_include import TaskInclude
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: steps
type: notification
short_description: Notes the tasks that execute a module, and kills the play at one of them
description:
  - Writes a line for each of them into the file that STEPS names.
  - Ends the whole process group with SIGKILL soon after the step KILL_AT began. A skipped task lets the play go on.
"""

# These never leave the controller and change nothing there.
HERE = ("set_fact", "debug", "meta", "fail", "assert", "include_tasks", "import_tasks", "validate_argument_spec")
SOON = 0.3


def step_of(task):
    """Its name, and what included it: a file may be included twice."""
    parent = task._parent
    while parent and not isinstance(parent, TaskInclude):
        parent = parent._parent
    return f"{parent.name} > {task.name}" if parent else task.name


def kill():
    with open(os.environ["STEPS"], "a", encoding="utf-8") as stream:
        stream.write(json.dumps({"killed": os.environ["KILL_AT"]}) + "\n")
    os.killpg(os.getpgrp(), signal.SIGKILL)


class CallbackModule(CallbackBase):
    CALLBACK_NAME = "steps"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self):
        super().__init__()
        self.timer = None

    def v2_runner_on_start(self, host, task):
        if step_of(task) == os.environ.get("KILL_AT"):
            self.timer = Timer(SOON, kill)
            self.timer.start()

    def v2_runner_on_skipped(self, result):
        if self.timer:
            self.timer.cancel()
            self.timer = None

    def v2_runner_on_ok(self, result):
        if self.timer:  # it took no time at all
            kill()
        task = result._task
        module = task.action.split(".")[-1]
        if module in HERE:
            return
        step = {"step": step_of(task), "task": task.name, "module": module, "on_server": not task.delegate_to}
        with open(os.environ["STEPS"], "a", encoding="utf-8") as stream:
            stream.write(json.dumps(step) + "\n")

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self.v2_runner_on_ok(result)
