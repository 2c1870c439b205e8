#!/usr/bin/python
# -*- coding: utf-8 -*-

# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ecs_anywhere_remains
version_added: 0.1.0
short_description: Removes what the agents left on a server that is no external instance any more
description:
  - Removes the credentials that the SSM agent wrote for the ECS agent, and files of this collection. Stop both agents
    and clear the registration with M(hybrid.ecs_anywhere.ssm_agent_registration) first.
  - Of the file of credentials, usually C(/root/.aws/credentials), only the temporary credentials in the section that
    the agent says it writes are removed, and the section if nothing else is in it. Other sections and keys stay, and so
    does the file if anything is left in it.
  - Configuration files of the ECS agent are removed when nothing is left in them. A backup of what was there before
    is kept, unless it is empty.
  - The vault of an SSM agent that is not installed any more is removed, with the identity in it.
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
requirements:
  - Linux, run as root.
seealso:
  - module: hybrid.ecs_anywhere.ecs_anywhere_host_info
  - module: hybrid.ecs_anywhere.ssm_agent_registration
"""

EXAMPLES = r"""
- name: Remove what the agents left
  hybrid.ecs_anywhere.ecs_anywhere_remains:
  become: true
"""

RETURN = r"""
removed:
  description: The files that were removed, or would be, among them the file of credentials if it was changed.
  returned: always
  type: list
  elements: str
  sample: [/root/.aws/credentials, /var/lib/amazon/ssm/runtimeconfig/identity_config.json]
"""

import contextlib
import os
import shutil
import tempfile

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _remains
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._replace import replace

ROOT = "/"  # everything is below it


def below_root(name: str) -> str:
    return os.path.join(ROOT, name.lstrip("/"))


def take_out_credentials(module: AnsibleModule, found: _remains.Credentials) -> None:
    path = os.path.realpath(below_root(found.path))  # a link stays a link
    if not found.after.strip():
        os.unlink(path)
        with contextlib.suppress(OSError):  # something else is in it
            os.rmdir(os.path.dirname(path))
        return
    descriptor, name = tempfile.mkstemp(dir=module.tmpdir)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as stream:
        stream.write(found.after)
        stream.flush()
        os.fsync(stream.fileno())
    replace(module, name, path)  # keeps owner and mode


def remove(module: AnsibleModule, found: _remains.Remains) -> None:
    if found.credentials:
        take_out_credentials(module, found.credentials)
    for directory in found.directories:
        shutil.rmtree(directory)
    for name in found.files:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(below_root(name))


def main() -> None:
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    found = _remains.find(below_root)
    if not module.check_mode:
        try:
            remove(module, found)
        except OSError as e:
            module.fail_json(msg=f"Cannot remove {e.filename}: {e.strerror}. The next run tries again.")
    module.exit_json(changed=bool(found.names()), removed=found.names())


if __name__ == "__main__":
    main()
