#!/usr/bin/python
# -*- coding: utf-8 -*-

# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pinned_key
version_added: 0.1.0
short_description: Keeps the public keys of a package repository, once their fingerprints were found pinned
description:
  - Downloads a file of OpenPGP keys and writes those of them whose fingerprints are pinned, armoured, as C(apt)
    (C(Signed-By)) and C(dnf) (C(gpgkey)) read them. Further keys that are in the file are left out.
  - A file that holds none of the pinned keys is refused. What is at O(dest) already stays as it is then.
author:
  - the hybrid.ecs_anywhere authors (@hybrid-ecs-anywhere)
extends_documentation_fragment:
  - hybrid.ecs_anywhere._attributes
attributes:
  check_mode:
    support: full
    details:
      - The keys are downloaded in check mode, too, being what is compared.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  url:
    description: Where the keys are, armoured or binary.
    type: str
    required: true
  dest:
    description: Where the pinned ones go. The directory must exist, but in check mode.
    type: path
    required: true
  fingerprints:
    description:
      - Fingerprints of the primary keys to trust, each of 40 hexadecimal digits. Spaces are allowed. One of them has to
        be at O(url).
    type: list
    elements: str
    required: true
  mode:
    description: Mode of the file.
    type: raw
    default: "0644"
  environment:
    description:
      - Environment variables such as C(HTTPS_PROXY). In contrast to the task's own C(environment) they are in no output
        and in no list of processes.
    type: dict
    default: {}
  timeout:
    description: Seconds after which a server that does not answer is given up.
    type: int
    default: 30
seealso:
  - module: hybrid.ecs_anywhere.signed_download
"""

EXAMPLES = r"""
- name: Keep the key of Docker's packages
  hybrid.ecs_anywhere.pinned_key:
    url: https://download.docker.com/linux/debian/gpg
    dest: /etc/apt/keyrings/docker.asc
    fingerprints:
      - 9DC8 5822 9FC7 DD38 854A  E2D8 8D81 803C 0EBF CD88
  become: true
"""

RETURN = r"""
dest:
  description: Where the keys are.
  returned: always
  type: str
  sample: /etc/apt/keyrings/docker.asc
fingerprints:
  description: The fingerprints of the keys in it.
  returned: always
  type: list
  elements: str
  sample: [9DC858229FC7DD38854AE2D88D81803C0EBFCD88]
"""

import os
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _gpg
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._download import SMALL
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._download import Trouble
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._download import fetch
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._download import pinned_fingerprint
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._download import read_keys
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._download import run
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._replace import replace


def trusted(module: AnsibleModule, directory: str) -> list[_gpg.Key]:
    """Those of the keys at the URL that are pinned, in the order of the pins."""
    url, pins = module.params["url"], [pinned_fingerprint(text) for text in module.params["fingerprints"]]
    if not pins:
        raise Trouble("fingerprints: no key is pinned, so that none can be trusted.")
    name = os.path.join(directory, "key")
    fetch(module, url, "key", name, SMALL)
    with open(name, "rb") as stream:
        found = read_keys(f"What is at {url}", stream.read())
    keys = [found[pin] for pin in pins if pin in found]
    if not keys:
        raise Trouble(
            f"What is at {url} holds none of the pinned keys ({', '.join(pins)}), but {', '.join(found) or 'no key'}. "
            "When the source has a new key, check its fingerprint and pin it; otherwise distrust the source."
        )
    return keys


def ensure(module: AnsibleModule, directory: str) -> dict[str, Any]:
    dest, mode = module.params["dest"], module.params["mode"]
    keys = trusted(module, directory)
    warning = _gpg.expiry_warning(keys, time.time())
    if warning:
        module.warn(warning)
    wanted = _gpg.armour(b"".join(key.data for key in keys))
    before = ""
    if os.path.lexists(dest):
        if not os.path.isfile(dest):
            raise Trouble(f"{dest} is there and is no file.")
        with open(dest, encoding="utf-8", errors="replace") as stream:
            before = stream.read()
    elif not module.check_mode and not os.path.isdir(os.path.dirname(os.path.abspath(dest))):
        raise Trouble(f"The directory of {dest} does not exist.")
    changed = before != wanted
    if changed and not module.check_mode:
        name = os.path.join(directory, "armoured")
        with open(name, "w", encoding="utf-8") as stream:
            stream.write(wanted)
        replace(module, name, dest)
    if os.path.isfile(dest):
        changed = bool(module.set_mode_if_different(dest, mode, changed))
    return {
        "dest": dest,
        "fingerprints": [key.fingerprint for key in keys],
        "changed": changed,
        "diff": {"before_header": dest, "after_header": dest, "before": before, "after": wanted},
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"required": True},
            "dest": {"type": "path", "required": True},
            "fingerprints": {"type": "list", "elements": "str", "required": True},
            "mode": {"type": "raw", "default": "0644"},
            "environment": {"type": "dict", "default": {}, "no_log": True},
            "timeout": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    run(module, ensure)


if __name__ == "__main__":
    main()
