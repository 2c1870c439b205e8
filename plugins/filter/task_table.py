# -*- coding: utf-8 -*-
# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: task_table
short_description: Tasks and how they ended, as a table for a terminal
version_added: 0.1.0
author: the hybrid.ecs_anywhere authors
description:
  - A total, then one line for each task with those that failed first, then why they did. Those that failed alike are
    named together.
options:
  _input:
    description: RV(hybrid.ecs_anywhere.ecs_external_task#module:tasks).
    type: list
    elements: dict
    required: true
  names:
    description: What to call the servers, by managed instance id. The others are called by that id.
    type: dict
    default: {}
  width:
    description: No line is longer.
    type: int
    default: 100
seealso:
  - module: hybrid.ecs_anywhere.ecs_external_task
"""

EXAMPLES = r"""
- name: Run it on two servers
  hybrid.ecs_anywhere.ecs_external_task:
    cluster: edge
    task_definition: backup
    managed_instance_ids: [mi-0123456789abcdef0, mi-0123456789abcdef1]
    region: eu-west-1
  register: ran
  failed_when: false

- name: Show how it went
  ansible.builtin.debug:
    msg: "{{ ran.tasks | hybrid.ecs_anywhere.task_table }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
"""

from typing import Any

from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._task_table import task_table


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"task_table": task_table}
