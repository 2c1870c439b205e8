# -*- coding: utf-8 -*-
# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet_report
short_description: External instances and how they fare, as a page or for machines
version_added: 0.1.0
author: the hybrid.ecs_anywhere authors
description:
  - The page is one file of HTML that loads nothing, with totals, health by cluster, the agents' versions, what is wrong
    with the node roles, and every instance with its trouble and what repairs it. It can be sorted and filtered.
  - For machines it is JSON with C(looked_at), C(summary), C(instances), C(roles) and C(roles_problem).
options:
  _input:
    description: A result of M(hybrid.ecs_anywhere.ecs_external_instance_info).
    type: dict
    required: true
  roles:
    description: RV(hybrid.ecs_anywhere.ecs_anywhere_role_info#module:roles).
    type: list
    elements: dict
    default: []
  roles_problem:
    description: Why O(roles) could not be read, if that is so.
    type: str
    default: ""
  place:
    description: Where the instances are, for the title.
    type: str
    default: ""
  format:
    description: V(html) or V(json).
    type: str
    choices: [html, json]
    default: html
seealso:
  - module: hybrid.ecs_anywhere.ecs_external_instance_info
  - module: hybrid.ecs_anywhere.ecs_anywhere_role_info
"""

EXAMPLES = r"""
- name: Look at a Region
  hybrid.ecs_anywhere.ecs_external_instance_info:
    region: eu-west-1
  register: fleet

- name: Write a page
  ansible.builtin.copy:
    content: "{{ fleet | hybrid.ecs_anywhere.fleet_report(place='eu-west-1') }}"
    dest: fleet.html
    mode: "0644"
"""

RETURN = r"""
_value:
  description: The page, or JSON.
  type: str
"""

import json
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _fleet_page
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _fleet_summary


def fleet_report(
    fleet: Mapping[str, Any],
    *,
    roles: Iterable[Mapping[str, Any]] = (),
    roles_problem: str = "",
    place: str = "",
    format: str = "html",
) -> str:
    if format == "html":
        return _fleet_page.page(fleet, roles, place, roles_problem)
    if format != "json":
        raise AnsibleFilterError(f"fleet_report: there is no format {format!r}. There are html and json.")
    shown = ("role_name", "arn", "findings", "managed_instance_ids")
    return json.dumps(
        {
            "looked_at": fleet["looked_at"],
            "place": place,
            "summary": _fleet_summary.summary(fleet["instances"]),
            "instances": list(fleet["instances"]),
            "roles": [{key: role.get(key) for key in shown} for role in roles],
            "roles_problem": roles_problem,
        },
        indent=1,
    )


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"fleet_report": fleet_report}
