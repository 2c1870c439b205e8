#!/usr/bin/python
# -*- coding: utf-8 -*-

# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: agent_versions_info
version_added: 0.1.0
short_description: Tells which versions of the agents a server has, and which it could have
description:
  - Reads the versions of the installed packages, and the newest ones of AWS's buckets or of a mirror of them.
  - The SSM agent's bucket names its newest version in a file. Of the ECS agent there is only the newest package, of
    which the first kilobytes are read. Nothing is installed, and what is read here is not trusted for more than its
    number - M(hybrid.ecs_anywhere.signed_download) verifies what is installed.
author:
  - the hybrid.ecs_anywhere authors (@hybrid-ecs-anywhere)
extends_documentation_fragment:
  - hybrid.ecs_anywhere._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  ssm_agent_url:
    description: The address of the file C(VERSION) of the SSM agent. Not given means not to ask.
    type: str
  ecs_agent_url:
    description:
      - The address of the newest package of the ECS agent, in which V(SUFFIX) is replaced by C(amd64.deb),
        C(arm64.deb), C(x86_64.rpm) or C(aarch64.rpm), as the server has it. Not given means not to ask.
    type: str
  ssm_agent_version:
    description: The version that is wanted, if not the newest.
    type: str
    default: ""
  ecs_agent_version:
    description: The version that is wanted, if not the newest.
    type: str
    default: ""
  timeout:
    description: Seconds after which a server that does not answer is given up.
    type: int
    default: 30
requirements:
  - Linux with dpkg or rpm.
notes:
  - Proxies are taken from the environment of the task.
"""

EXAMPLES = r"""
- name: Which versions there are
  hybrid.ecs_anywhere.agent_versions_info:
    ssm_agent_url: https://s3.eu-west-1.amazonaws.com/amazon-ssm-eu-west-1/latest/VERSION
    ecs_agent_url: >-
      https://s3.eu-west-1.amazonaws.com/amazon-ecs-agent-eu-west-1/amazon-ecs-init-latest.SUFFIX
  register: versions
"""

RETURN = r"""
ssm_agent:
  description: The versions of the SSM agent.
  returned: always
  type: dict
  contains:
    installed:
      description: The version that is installed, without the package's revision. V(null) if there is none.
      type: str
      returned: always
      sample: 3.3.3598.0
    newest:
      description: The newest version. V(null) if nobody asked.
      type: str
      returned: always
      sample: 3.3.4108.0
    target:
      description:
        - The version to have, which is what is wanted, or else the newer of the two. V(null) if none is installed.
      type: str
      returned: always
      sample: 3.3.4108.0
ecs_agent:
  description: The versions of the ECS agent.
  returned: always
  type: dict
  contains:
    installed:
      description: As of the SSM agent.
      type: str
      returned: always
      sample: 1.104.0
    newest:
      description: As of the SSM agent.
      type: str
      returned: always
      sample: 1.105.1
    target:
      description: As of the SSM agent.
      type: str
      returned: always
      sample: 1.105.1
"""

import os
import platform
import tempfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import fetch_url
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _agent_versions
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _host

ROOT = "/"  # packages are read below it
PACKAGES = {"ssm_agent": "amazon-ssm-agent", "ecs_agent": "amazon-ecs-init"}
# The control data of a package comes first and is small.
BEGINNING = 256 * 1024


def read(name: str) -> str:
    try:
        with open(os.path.join(ROOT, name), encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""


def is_rpm_system() -> bool:
    """dpkg can be installed on such, and rpm on Debian."""
    return _host.os_release(read("etc/os-release"))["family"] in ("rhel", "suse")


def rpm(module: AnsibleModule, *arguments: str) -> str:
    _rc, output, _stderr = module.run_command(["rpm", *arguments, "--qf", _host.RPM_FORMAT])
    return str(output)


def installed_versions(module: AnsibleModule) -> dict[str, str]:
    names = list(PACKAGES.values())
    if is_rpm_system():
        packages = _host.rpm_packages(rpm(module, "-q", *names))
    else:
        packages = _host.dpkg_packages(read("var/lib/dpkg/status"), names)
    return {name: _agent_versions.upstream(packages[p].version) for name, p in PACKAGES.items() if p in packages}


def beginning_of(module: AnsibleModule, url: str) -> bytes:
    headers = {"Range": f"bytes=0-{BEGINNING - 1}"}
    response, info = fetch_url(module, url, headers=headers, timeout=module.params["timeout"], decompress=False)
    if response is None or info.get("status") not in (200, 206):
        module.fail_json(
            msg=f"Cannot read which version is the newest from {url}: {info.get('msg')} (HTTP {info.get('status')}). "
            "Check ecs_anywhere_package_base_url and the server's proxy, or pin the versions of both agents."
        )
    data: bytes = response.read(BEGINNING)
    return data


def rpm_version(module: AnsibleModule, beginning: bytes) -> str:
    """The version of a package, of which the first part is enough."""
    with tempfile.NamedTemporaryFile(dir=module.tmpdir) as file:
        file.write(beginning)
        file.flush()
        found = _host.rpm_packages(rpm(module, "-qp", "--nosignature", "--nodigest", file.name))
    if not found:
        raise ValueError("it does not begin as an rpm package does")
    (package,) = found.values()
    return package.version


def newest_versions(module: AnsibleModule) -> dict[str, str]:
    params, found = module.params, {}
    if params["ssm_agent_url"] and not params["ssm_agent_version"]:
        found["ssm_agent"] = beginning_of(module, params["ssm_agent_url"]).decode("utf-8", "replace").strip()
    if params["ecs_agent_url"] and not params["ecs_agent_version"]:
        machine, of_rpm = platform.machine(), is_rpm_system()
        suffix = f"{machine}.rpm" if of_rpm else f"{_host.package_architecture(machine) or machine}.deb"
        url = params["ecs_agent_url"].replace("SUFFIX", suffix)
        try:
            beginning = beginning_of(module, url)
            found["ecs_agent"] = rpm_version(module, beginning) if of_rpm else _agent_versions.deb_version(beginning)
        except ValueError as error:
            module.fail_json(
                msg=f"Cannot tell the version of {url}: {error}. Pin it with ecs_anywhere_ecs_agent_version."
            )
    return found


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "ssm_agent_url": {},
            "ecs_agent_url": {},
            "ssm_agent_version": {"default": ""},
            "ecs_agent_version": {"default": ""},
            "timeout": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    installed = installed_versions(module)
    newest = newest_versions(module)
    result: dict[str, Any] = {}
    for name in PACKAGES:
        has, new = installed.get(name), newest.get(name)
        wanted = _agent_versions.target(module.params[f"{name}_version"], has, new) if has else None
        result[name] = {
            "installed": has,
            "newest": _agent_versions.upstream(new) if new else None,
            "target": wanted,
        }
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
