# -*- coding: utf-8 -*-
# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet_table
short_description: External instances and how they fare, as a table for a terminal
version_added: 0.1.0
author: the hybrid.ecs_anywhere authors
description:
  - Totals, health by cluster, the instances with the worst first, and what repairs them.
  - Of more than 50 instances only those with trouble are named.
options:
  _input:
    description: RV(hybrid.ecs_anywhere.ecs_external_instance_info#module:instances).
    type: list
    elements: dict
    required: true
  width:
    description: No line is longer.
    type: int
    default: 100
seealso:
  - module: hybrid.ecs_anywhere.ecs_external_instance_info
  - plugin: hybrid.ecs_anywhere.fleet_report
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Look at a Region
  hybrid.ecs_anywhere.ecs_external_instance_info:
    region: eu-west-1
  register: fleet

- name: Show it
  ansible.builtin.debug:
    msg: "{{ fleet.instances | hybrid.ecs_anywhere.fleet_table }}"
"""

RETURN = r"""
_value:
  description: The lines, of plain ASCII.
  type: list
  elements: str
"""

from typing import Any

from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._fleet_summary import fleet_table


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"fleet_table": fleet_table}
