# -*- coding: utf-8 -*-
# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: registration_plan
short_description: Decide what turns a server into an external instance
version_added: 0.1.0
author: the hybrid.ecs_anywhere authors
description:
  - A pure function of what a server is, what AWS knows of it, and what is wanted. It changes nothing and asks nobody.
positional: aws, wanted
options:
  _input:
    description: What M(hybrid.ecs_anywhere.ecs_anywhere_host_info) returned for the server.
    type: dict
    required: true
  aws:
    description:
      - What AWS knows, with the keys C(error), a message or V(none), and C(instances), the
        RV(hybrid.ecs_anywhere.ecs_external_instance_info#module:instances) by their C(managed_instance_id). With
        C(cluster_exists) V(false) the cluster is created.
    type: dict
    required: true
  wanted:
    description:
      - What the server should become, as the role C(hybrid.ecs_anywhere.ecs_anywhere) puts it together from its
        variables.
    type: dict
    required: true
seealso:
  - plugin: hybrid.ecs_anywhere.batch_plan
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show what would be done, with reasons
  ansible.builtin.debug:
    msg: "{{ ecs_anywhere_host | hybrid.ecs_anywhere.registration_plan(aws, ecs_anywhere_host.wanted | from_json) }}"
  vars:
    aws:
      error:
      instances: {}
"""

RETURN = r"""
_value:
  description:
    - C(problems), a list of sentences, each of which forbids to go on.
    - C(steps), a list of dictionaries with C(name) and C(reason) in the order in which they are carried out. Empty
      for a server
      that is right.
  type: dict
"""

from typing import Any

from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._plan import registration_plan


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"registration_plan": registration_plan}
