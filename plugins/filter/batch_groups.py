# -*- coding: utf-8 -*-
# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: batch_groups
short_description: Group the servers of a batch by what they may share
version_added: 0.1.0
author: the hybrid.ecs_anywhere authors
description:
  - Servers of one play may be of several accounts, Regions, clusters and node roles. What is done once for all of
    them is done once for each of these groups.
positional: kind, registered
options:
  _input:
    description:
      - What M(hybrid.ecs_anywhere.ecs_anywhere_host_info) returned, by host name. Hosts without a result are
        left out.
    type: dict
    required: true
  kind:
    description:
      - V(fleet) groups by account, Region and cluster, and adds C(managed_instance_ids), C(cluster_must_exist),
        and what the two other kinds have of its servers as C(roles) and C(activations).
      - V(role) groups by account and node role, and has only the roles that the user lets the collection manage.
      - V(activation) has the activations that the user brought and that some server still needs.
    type: str
    choices: [fleet, role, activation]
    default: fleet
  registered:
    description:
      - What M(hybrid.ecs_anywhere.ssm_agent_registration) returned, by host name. Only these hosts are grouped, and
        their managed instance id is taken from here where there is one.
    type: dict
"""

EXAMPLES = r"""
- name: Ask AWS about the batch
  hybrid.ecs_anywhere.ecs_external_instance_info:
    region: "{{ item.region }}"
    cluster: "{{ item.cluster }}"
    managed_instance_ids: "{{ item.managed_instance_ids }}"
  loop: "{{ reads | hybrid.ecs_anywhere.batch_groups('fleet') }}"
  run_once: true
  delegate_to: localhost
"""

RETURN = r"""
_value:
  description:
    - One dictionary for each group, with what its servers share, C(key), C(hosts), and for V(fleet)
      C(managed_instance_ids), C(cluster_must_exist), C(roles) and C(activations).
  type: list
  elements: dict
"""

from typing import Any

from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._batch import batch_groups


def groups(reads: Any, kind: str = "fleet", registered: Any = None) -> Any:
    return batch_groups(reads, kind, registered)


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"batch_groups": groups}
