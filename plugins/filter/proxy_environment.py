# -*- coding: utf-8 -*-
# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: proxy_environment
short_description: The environment variables of a proxy
version_added: 0.1.0
author: the hybrid.ecs_anywhere authors
description:
  - Turns C(ecs_anywhere_proxy) of the role C(hybrid.ecs_anywhere.ecs_anywhere) into C(HTTP_PROXY), C(HTTPS_PROXY) and
    C(NO_PROXY). The last always has the addresses that must not be asked through a proxy.
options:
  _input:
    description: A URL, or a dictionary with C(http), C(https) and C(no_proxy). Empty means no proxy.
    type: raw
    required: true
  server:
    description:
      - What M(hybrid.ecs_anywhere.ecs_anywhere_host_info) returned. Without a proxy the result then has, as V(null),
        the settings that the ECS agent still has of an earlier one.
    type: dict
"""

EXAMPLES = r"""
- name: Show what a proxy means
  ansible.builtin.debug:
    msg: "{{ 'http://proxy.example.com:3128' | hybrid.ecs_anywhere.proxy_environment }}"
"""

RETURN = r"""
_value:
  description: The variables. None without a proxy.
  type: dict
"""

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _proxy_plan


def proxy_environment(given: Any, server: dict[str, Any] | None = None) -> dict[str, Any]:
    try:
        found = _proxy_plan.environment(given)
        return _proxy_plan.agent_settings(found, {}, server) if server else found
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"proxy_environment": proxy_environment}
