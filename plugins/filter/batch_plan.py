# -*- coding: utf-8 -*-
# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: batch_plan
short_description: Decide what is to be done to every server of a batch
version_added: 0.1.0
author: the hybrid.ecs_anywhere authors
description:
  - The P(hybrid.ecs_anywhere.registration_plan#filter) of each server, and what only the whole batch can tell,
    which is the clusters and the activations that have to be made, the roles that managed nodes are to get back, and
    servers that share one identity.
positional: fleet_results, role_results, activation_results
options:
  _input:
    description:
      - What M(hybrid.ecs_anywhere.ecs_anywhere_host_info) returned, by host name. Hosts without a result are
        left out.
    type: dict
    required: true
  fleet_results:
    description:
      - The results of M(hybrid.ecs_anywhere.ecs_external_instance_info), looped over
        P(hybrid.ecs_anywhere.batch_groups#filter) of the kind V(fleet).
    type: list
    elements: dict
    default: []
  role_results:
    description: The results of M(hybrid.ecs_anywhere.ecs_anywhere_role), looped over the kind V(role).
    type: list
    elements: dict
    default: []
  activation_results:
    description: The results of M(hybrid.ecs_anywhere.ssm_activation_info), looped over the kind V(activation).
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: Plan
  ansible.builtin.set_fact:
    plan: "{{ reads | hybrid.ecs_anywhere.batch_plan(fleet.results, roles.results) }}"
  run_once: true
"""

RETURN = r"""
_value:
  description:
    - C(plans), by host name, each with C(problems), C(steps), C(activation), the key of the one it will register
      with, and C(node_role), the key of the repair of its node's role.
    - C(todo), the hosts that have problems or steps.
    - C(activations), a list with an entry for each activation to make and its C(count) of registrations.
    - C(node_roles), a list with an entry for each role that managed nodes are to get and their
      C(managed_instance_ids) by host name.
    - C(clusters), a list with an entry for each cluster to create and its C(hosts).
    - C(moves), a list with an entry for each cluster that servers leave and their C(managed_instance_ids) by host name.
    - C(give_ups), the same for servers whose former managed node and container instance are deregistered.
  type: dict
"""

from collections.abc import Iterable
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._batch import batch_plan


def can_create_clusters() -> bool:
    """The collection that does it is no dependency of this one, as few need it."""
    try:
        return find_spec("ansible_collections.community.aws.plugins.modules.ecs_cluster") is not None
    except ModuleNotFoundError:
        return False


def plan(
    reads: Mapping[str, Any],
    fleet_results: Iterable[Mapping[str, Any]] = (),
    role_results: Iterable[Mapping[str, Any]] = (),
    activation_results: Iterable[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    fleet_results = list(fleet_results)
    missing = any(result.get("cluster_exists") is False for result in fleet_results)
    return batch_plan(reads, fleet_results, role_results, activation_results, not missing or can_create_clusters())


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"batch_plan": plan}
