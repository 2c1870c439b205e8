# -*- coding: utf-8 -*-
# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: agent_settings
short_description: Write settings of the ECS agent as the agent reads them
version_added: 0.1.0
author: the hybrid.ecs_anywhere authors
description:
  - Turns every value into the text that belongs behind C(NAME=) in C(ecs.config). Dictionaries and lists become
    JSON, booleans
    V(true) or V(false).
positional: mask
options:
  _input:
    description: Settings by name.
    type: dict
    required: true
  mask:
    description:
      - Replace secrets by their hashes, as M(hybrid.ecs_anywhere.ecs_anywhere_host_info) does, so that wanted and
        present
        settings can be compared without either being shown.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Write the agent's settings
  hybrid.ecs_anywhere.ecs_agent_config:
    path: /etc/ecs/ecs.config
    settings: "{{ {'ECS_INSTANCE_ATTRIBUTES': {'rack': '4'}} | hybrid.ecs_anywhere.agent_settings }}"
"""

RETURN = r"""
_value:
  description: The same names, each value a string.
  type: dict
"""

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._ecs_config import masked


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return json.dumps(value, separators=(",", ":"))
    return str(value)


def agent_settings(settings: Mapping[str, Any], mask: bool = False) -> dict[str, str]:
    texts = {str(name): _text(value) for name, value in settings.items()}
    return {name: masked(name, text) for name, text in texts.items()} if mask else texts


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"agent_settings": agent_settings}
