# -*- coding: utf-8 -*-
# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: package_artefacts
short_description: Tell where the packages of both agents are
version_added: 0.1.0
author: the hybrid.ecs_anywhere authors
description:
  - The addresses of the packages and signatures of both agents in AWS's buckets, or in a mirror of the same layout. It
    asks nobody.
positional: gpg_keys
options:
  _input:
    description:
      - One kind of server, with the keys C(region), C(architecture), V(amd64) or V(arm64), and C(family), V(debian),
        V(rhel) or V(suse). Each of them may be a list, for all kinds of servers of a fleet.
      - Optional are C(base_url), the root of a mirror, C(dualstack), whether S3 is to be reached by its dual stack
        address, and C(ssm_agent_version) and C(ecs_agent_version), which are the newest when empty.
      - With C(exec) there are the binaries of ECS Exec, too, for which C(ssm_agent_version) is required.
        C(exec_checksums) are their checksums by architecture, where they are not signed.
    type: dict
    required: true
  gpg_keys:
    description: The pinned keys, as C(ecs_anywhere_gpg_keys) of the role.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the addresses
  ansible.builtin.debug:
    msg: "{{ server | hybrid.ecs_anywhere.package_artefacts(keys) | map(attribute='url') }}"
  vars:
    server:
      region: eu-west-1
      architecture: amd64
      family: debian
    keys:
      amazon-ssm-agent:
        - fingerprint: 1C5B395CBE5E74E2F1CA21592784DBF388D19D46
      amazon-ecs-agent:
        - fingerprint: F34C3DDAE72926B079BEAEC6BCE9D9A42D51784F
"""

RETURN = r"""
_value:
  description:
    - One dictionary for each package, with C(name), C(url), C(signature_url), C(path), C(signature_path), their places
      below the root, and C(gpg_keys), which are those for M(hybrid.ecs_anywhere.signed_download).
  type: list
  elements: dict
"""

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._artefacts import artefacts


def package_artefacts(server: Any, gpg_keys: Any) -> Any:
    try:
        return artefacts(server, gpg_keys)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"package_artefacts": package_artefacts}
