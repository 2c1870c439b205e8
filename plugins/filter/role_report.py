# -*- coding: utf-8 -*-
# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: role_report
short_description: What M(hybrid.ecs_anywhere.ecs_anywhere_role_info) found, in lines for people
version_added: 0.1.0
author: the hybrid.ecs_anywhere authors
description:
  - The findings with the severe first, each with what it was seen from and its repair; for a role also how much it
    allows beside the least that would do.
options:
  _input:
    description:
      - One of RV(hybrid.ecs_anywhere.ecs_anywhere_role_info#module:roles), or a dictionary with C(findings) only.
    type: dict
    required: true
seealso:
  - module: hybrid.ecs_anywhere.ecs_anywhere_role_info
"""

EXAMPLES = r"""
- name: Read and judge the roles
  hybrid.ecs_anywhere.ecs_anywhere_role_info:
  register: audit

- name: Say it
  ansible.builtin.debug:
    msg: "{{ item | hybrid.ecs_anywhere.role_report }}"
  loop: "{{ audit.roles }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
"""

from typing import Any

from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._role_report import role_report


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"role_report": role_report}
