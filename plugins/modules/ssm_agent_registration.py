#!/usr/bin/python
# -*- coding: utf-8 -*-

# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ssm_agent_registration
version_added: 0.1.0
short_description: Registers the SSM agent of a server without ever losing an identity
description:
  - Registers a server as managed node with a hybrid activation, or clears its registration.
  - The agent's own C(-register) empties its vault before it asks AWS. This module backs the vault up first, restores it
    when the registration fails, and keeps a journal, so that a run that was killed at any moment is brought to a
    consistent end by the next one.
  - Whether a server is registered is told by the agent's vault alone.
  - When the managed node id changes, C(ecs.service) is stopped and the saved state of the ECS agent
    (C(/var/lib/ecs/data/agent.db)) is removed, because it belongs to the former node. The module does not start
    C(ecs.service) again.
  - The registration outlives a lost connection. A second run waits for it.
author:
  - the hybrid.ecs_anywhere authors (@hybrid-ecs-anywhere)
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
  diff_mode:
    support: full
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
  idempotent:
    support: partial
    description: When run twice in a row, with the same arguments, the second invocation indicates no change.
    details:
      - With O(replace=true) each run makes a new managed node.
options:
  state:
    description:
      - V(registered) registers the server when it is not registered, or when O(replace=true).
      - V(cleared) removes the registration from the server. It does not deregister the managed node at AWS.
      - V(recovered) only brings an interrupted registration to its end. It needs no activation.
    type: str
    choices: [registered, cleared, recovered]
    default: registered
  activation_id:
    description: Id of the hybrid activation. Needed when the server is to be registered.
    type: str
  activation_code:
    description:
      - Code of the hybrid activation. Needed when the server is to be registered.
      - The agent takes it on its command line only, so it is visible to local users while the registration runs. Use an
        activation that is short-lived and sized to what it is for.
    type: str
  region:
    description: The Region of the activation. Needed when the server is to be registered.
    type: str
  replace:
    description:
      - Register a server that is registered already once more, as a new managed node. The former one stays at AWS until
        it is deregistered there.
      - A run with O(replace=true) that finds such a replacement interrupted finishes that one, and makes no further node.
    type: bool
    default: false
  disable_similarity_check:
    description: Tell the agent not to compare the server's hardware with what it was at registration.
    type: bool
    default: false
  timeout:
    description:
      - Seconds to wait for the registration to end, and for another one that runs already.
      - A registration of our own that takes longer is ended, and the former state restored.
    type: int
    default: 300
requirements:
  - Linux with systemd, run as root. The SSM agent as a package or as a snap.
notes:
  - Behind a proxy give C(environment) to the task, as the agent's service settings do not reach its command.
"""

EXAMPLES = r"""
- name: Register the server
  hybrid.ecs_anywhere.ssm_agent_registration:
    activation_id: "{{ activation.activation_id }}"
    activation_code: "{{ activation.activation_code }}"
    region: eu-west-1
  become: true

- name: End what a killed run left
  hybrid.ecs_anywhere.ssm_agent_registration:
    state: recovered
  become: true

- name: Forget the registration before a golden image is made
  hybrid.ecs_anywhere.ssm_agent_registration:
    state: cleared
  become: true
"""

RETURN = r"""
managed_instance_id:
  description: The id of the managed node, or V(null) when the server is not registered. In check mode V(null) for a new one.
  returned: always
  type: str
  sample: mi-0123456789abcdef0
previous_managed_instance_id:
  description:
    - The id that the server had before this run, or before the interrupted run that this one ended. V(null) when it
      was not registered.
  returned: always
  type: str
  sample: null
region:
  description: The Region of the registration, or V(null).
  returned: always
  type: str
  sample: eu-west-1
ecs_state_reset:
  description: Whether the saved state of the ECS agent was removed.
  returned: always
  type: bool
  sample: false
recovered:
  description: Whether an interrupted run was found and brought to its end.
  returned: always
  type: bool
  sample: false
agent_output:
  description: What the agent's command printed, without the activation code.
  returned: when the agent's command failed
  type: list
  elements: str
  sample: []
"""
