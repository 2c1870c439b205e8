# -*- coding: utf-8 -*-
# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: operator_policy
short_description: The IAM policy that somebody needs to run a playbook of this collection
version_added: 0.1.0
author: the hybrid.ecs_anywhere authors
description:
  - A pure function of the playbook's name and of what it is run for. It asks nobody.
  - The policy has the calls that the playbook makes with its default settings, each bound to the resources it is about.
options:
  _input:
    description: The name of the playbook.
    type: str
    choices: [audit, deregister, prune, register, smoke_test, status, upgrade]
    required: true
  regions:
    description: The Regions that the servers are in. Needed unless all O(clusters) are ARNs.
    type: list
    elements: str
    default: []
  clusters:
    description:
      - The clusters that the servers join, and those they are moved from, as names or ARNs. An empty list means any.
    type: list
    elements: str
    default: []
  iam_role:
    description: The node role, as name, or path and name.
    type: str
    default: ecsAnywhereRole
  account:
    description: The number of the account. The default means any.
    type: str
    default: "*"
  manage_cluster:
    description: Whether C(register) is to create clusters, as with C(ecs_anywhere_manage_cluster).
    type: bool
    default: false
seealso:
  - module: hybrid.ecs_anywhere.ecs_anywhere_role_info
"""

EXAMPLES = r"""
- name: The policy for whoever registers servers of one cluster
  ansible.builtin.copy:
    dest: operator.json
    content: >-
      {{ 'register' | hybrid.ecs_anywhere.operator_policy(regions=['eu-west-1'], clusters=['edge'],
                                                          account='123456789012') | to_nice_json }}
    mode: "0644"
"""

RETURN = r"""
_value:
  description: The policy document, keys as AWS spells them.
  type: dict
"""

from collections.abc import Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _node_policy
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _operator_policy


def operator_policy(
    playbook: str, *, regions: Sequence[str] = (), clusters: Sequence[str] = (), **more: Any
) -> dict[str, Any]:
    problem = _node_policy.problem_of(clusters, regions, ())
    if problem:
        raise AnsibleFilterError(problem)
    try:
        return _operator_policy.operator_policy(playbook, regions=regions, clusters=clusters, **more)
    except (TypeError, ValueError) as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"operator_policy": operator_policy}
