#!/usr/bin/python
# -*- coding: utf-8 -*-

# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ecs_agent_config
version_added: 0.1.0
short_description: Sets variables in the configuration files of the ECS agent
description:
  - Writes C(/etc/ecs/ecs.config) or C(/var/lib/ecs/ecs.config) as plain C(KEY=VALUE) lines.
  - Two programs read these files. systemd knows comments and quotes, C(ecs-init) splits each line at the first C(=) and
    takes the rest literally, so that a comment becomes a variable and a quoted value keeps its quotes. This module
    leaves only lines that both read alike.
  - Of duplicate lines the last one stays, which is the one that both programs obey.
  - Lines that are no C(KEY=VALUE) (comments, blank and garbled lines) are dropped. The backup keeps them.
  - Variables that are not named in O(settings) stay, in their order. When such a value is wrapped in one pair of quotes
    the quotes are taken off. systemd does so anyway, while the agent would read them as part of the value.
author:
  - the hybrid.ecs_anywhere authors (@hybrid-ecs-anywhere)
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
  diff_mode:
    support: full
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    details:
      - Secret-looking values are shown as their SHA-256.
  idempotent:
    support: full
    description: When run twice in a row, with the same arguments, the second invocation indicates no change.
options:
  path:
    description: The file. Missing directories are made.
    type: path
    required: true
  settings:
    description:
      - The variables and their values. A value of V(null) removes the variable.
      - Values are written without quotes and must not hold line breaks, surrounding quotes or a backslash at their end.
      - Booleans are written as V(true) and V(false), dictionaries and lists as JSON.
      - Secret-looking values (C(ECS_ENGINE_AUTH_DATA), names with C(PASSWORD), C(SECRET), C(TOKEN), C(AUTH) or
        C(ACCESS_KEY), and the user part of a proxy's address) are never shown.
    type: dict
    default: {}
  backup:
    description:
      - Keep what was there before this module wrote the file for the first time, as the file's path with
        C(.before-ecs_anywhere) appended. It is empty when there was no file.
      - That copy is made once and never overwritten.
    type: bool
    default: true
notes:
  - A new file has mode V(0600), as only root reads it. An existing file keeps its mode and owner.
  - The agent reads the files when it starts.
"""

EXAMPLES = r"""
- name: Name the cluster
  hybrid.ecs_anywhere.ecs_agent_config:
    path: /etc/ecs/ecs.config
    settings:
      ECS_CLUSTER: edge
      ECS_LOGLEVEL: # removed
  become: true
  notify: Restart the ECS agent
"""

RETURN = r"""
path:
  description: The file.
  returned: always
  type: str
  sample: /etc/ecs/ecs.config
settings:
  description: All settings of the file after the change. Secret-looking values are given as their SHA-256.
  returned: always
  type: dict
  sample: {"ECS_CLUSTER": "edge"}
dropped:
  description:
    - The lines that were dropped, among them all but the last of duplicates. Secret-looking values are given as their
      SHA-256.
  returned: always
  type: list
  elements: str
  sample: ["# made by hand"]
backup_file:
  description: The copy of what was there before, when this run made it, otherwise V(null).
  returned: always
  type: str
  sample: /etc/ecs/ecs.config.before-ecs_anywhere
"""
