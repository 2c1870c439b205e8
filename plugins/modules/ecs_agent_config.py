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
extends_documentation_fragment:
  - hybrid.ecs_anywhere._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Secret-looking values are shown as their SHA-256.
  idempotent:
    support: full
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

import os
import shutil
import tempfile

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _ecs_config
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._replace import replace

BACKUP_SUFFIX = ".before-ecs_anywhere"


def read(path: str) -> str | None:
    try:
        with open(path, "rb") as stream:
            return stream.read().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return None


def keep_original(path: str) -> None:
    """Copy what is there to the backup, whole or not at all. No file gives an empty backup."""
    descriptor, name = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".ecs_anywhere.")  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as target:
            if os.path.exists(path):
                with open(path, "rb") as source:
                    shutil.copyfileobj(source, target)
                owner = os.stat(path)
                os.fchown(target.fileno(), owner.st_uid, owner.st_gid)
            target.flush()
            os.fsync(target.fileno())
        os.rename(name, path + BACKUP_SUFFIX)
    except BaseException:
        os.unlink(name)
        raise


def write(module: AnsibleModule, path: str, text: str) -> None:
    descriptor, name = tempfile.mkstemp(dir=module.tmpdir)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(text.encode("utf-8", "surrogateescape"))
        stream.flush()
        os.fsync(stream.fileno())
    if not os.path.exists(path):
        # atomic_move gives a new file the umask's mode and an existing one the mode it has: no moment readable by all.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    replace(module, name, path)


def apply(module: AnsibleModule, path: str, text: str, backup: bool) -> str | None:
    """Make the file be *text*. The only function here that writes. Returns the backup that it made."""
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    made = None
    if backup and not os.path.exists(path + BACKUP_SUFFIX):
        keep_original(path)
        made = path + BACKUP_SUFFIX
    write(module, path, text)
    return made


def printable(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def shown(text: str | None) -> str:
    lines = (text or "").split("\n")
    return printable("\n".join(_ecs_config.masked_line(line) for line in lines))


def secrets(settings: dict[str, object]) -> set[str]:
    """The values that must not be shown, as the file has them and as they were given."""
    found: set[str] = set()
    for key, given in settings.items():
        value = (_ecs_config.as_text(given) or "").strip()
        if _ecs_config.masked(key, value) != value:
            found |= {value, *leaves(given)}
    return found


def leaves(value: object) -> set[str]:
    if isinstance(value, dict):
        return {leaf for part in value.values() for leaf in leaves(part)}
    if isinstance(value, list):
        return {leaf for part in value for leaf in leaves(part)}
    return {value} if isinstance(value, str) and value else set()


def find_and_plan(path: str, settings: dict[str, object]) -> tuple[str | None, _ecs_config.Rewritten]:
    current = read(path)
    return current, _ecs_config.rewrite(current or "", _ecs_config.wanted_settings(settings))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            # Not logged, as some values are secrets. Which ones is known only now, see below.
            "settings": {"type": "dict", "default": {}, "no_log": True},
            "backup": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    path = os.path.realpath(module.params["path"])  # a link stays a link
    settings = module.params["settings"]
    module.no_log_values = secrets(settings)
    try:
        current, after = find_and_plan(path, settings)
    except ValueError as e:
        module.fail_json(msg=f"Cannot write {path}. {e}")
    except OSError as e:
        module.fail_json(msg=f"Cannot read {path}: {e.strerror}.")

    changed = current != after.text and not (current is None and not after.text)
    backup_file = None
    if changed and not module.check_mode:
        try:
            backup_file = apply(module, path, after.text, module.params["backup"])
        except OSError as e:
            module.fail_json(msg=f"Cannot write {path}: {e.strerror}.")
    result = {
        "changed": changed,
        "path": module.params["path"],
        "settings": {key: printable(value) for key, value in _ecs_config.masked_settings(after.settings).items()},
        "dropped": [shown(line) for line in after.dropped],
        "backup_file": backup_file,
    }
    if module._diff:
        result["diff"] = {
            "before_header": path,
            "after_header": path,
            "before": shown(current),
            "after": shown(after.text),
        }
    module.exit_json(**result)


if __name__ == "__main__":
    main()
