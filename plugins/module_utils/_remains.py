# -*- coding: utf-8 -*-
# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the agents and this collection leave on a server that belongs to nobody else. Private to this collection.

Reads a few small files and changes nothing.
"""

from __future__ import annotations

import json
import os
import re
from typing import Callable
from typing import NamedTuple

from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _exec
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _ssm_vault

# Where the SSM agent notes which file and section it writes credentials to.
RECORD = "/var/lib/amazon/ssm/runtimeconfig/identity_config.json"
CONFIG_FILES = ("/etc/ecs/ecs.config", "/var/lib/ecs/ecs.config")
BACKUP_SUFFIX = ".before-ecs_anywhere"
DOWNLOADS = "/var/cache/apt/archives/ecs_anywhere-"
RPM_DOWNLOADS = "/var/cache/ecs_anywhere"  # where there is no apt, of this collection alone
LOCK = "/var/lib/amazon/ssm/.ecs_anywhere_lock"
FORMER = f"/var/lib/amazon/ssm/{_ssm_vault.FORMER}"
_HEADER = re.compile(r"\s*\[([^\]]*)\]")
_KEY = re.compile(r"\s*(aws_access_key_id|aws_secret_access_key|aws_session_token)\s*[=:]", re.IGNORECASE)
_TOKEN = re.compile(r"\s*aws_session_token\s*[=:]\s*\S", re.IGNORECASE)


class Credentials(NamedTuple):
    """A file of credentials, and what it is without those of the agent."""

    path: str
    after: str


class Remains(NamedTuple):
    """What there is. The record goes last, as it tells which credentials are the agent's."""

    credentials: Credentials | None
    files: list[str]
    directories: list[str]

    def names(self) -> list[str]:
        first = [self.credentials.path] if self.credentials else []
        return first + self.files + self.directories


def without_credentials(text: str, section: str) -> str:
    """The file without temporary credentials of that section, and without the section if nothing else is in it.

    An administrator's own keys have no session token, and stay.
    """
    lines = text.splitlines(keepends=True)
    starts = [n for n, line in enumerate(lines) if _HEADER.match(line)]
    result = lines[: starts[0]] if starts else lines
    for start, end in zip(starts, [*starts[1:], len(lines)]):
        part = lines[start:end]
        header = _HEADER.match(part[0])
        if header and header.group(1).strip() == section and any(_TOKEN.match(line) for line in part):
            part = [line for line in part if not _KEY.match(line)]
            if not any(line.strip() for line in part[1:]):
                part = []
        result += part
    return "".join(result)


def shared_profile(record: str) -> tuple[str, str] | None:
    """File and section of the credentials, from the agent's record; None if that does not say."""
    try:
        said = json.loads(record)
    except ValueError:
        return None
    path = said.get("ShareFile") if isinstance(said, dict) else None
    if not path or not os.path.isabs(path) or said.get("IdentityType") != "OnPrem":
        return None
    return path, said.get("ShareProfile") or "default"


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except OSError:
        return ""


def _is_empty(path: str) -> bool:
    return os.path.isfile(path) and not _text(path).strip()


def _downloads(below_root: Callable[[str], str]) -> list[str]:
    directory, prefix = os.path.split(DOWNLOADS)
    try:
        names = os.listdir(below_root(directory))
    except OSError:
        return []
    return sorted(os.path.join(directory, name) for name in names if name.startswith(prefix))


def find(below_root: Callable[[str], str]) -> Remains:
    """Look below a root."""
    credentials = None
    shared = shared_profile(_text(below_root(RECORD)))
    if shared:
        before = _text(below_root(shared[0]))
        after = without_credentials(before, shared[1])
        credentials = Credentials(shared[0], after) if after != before else None
    names = _downloads(below_root)
    names += [p for c in CONFIG_FILES for p in (c, c + BACKUP_SUFFIX) if _is_empty(below_root(p))]
    names += [path for path in (LOCK, FORMER) if os.path.exists(below_root(path))]
    # An agent clears its vault itself; what another one left can only be removed.
    orphaned = _ssm_vault.find_agent() is None and os.path.isdir(_ssm_vault.path("Vault"))
    directories = [_ssm_vault.path("Vault")] if orphaned else []
    directories += [path for path in map(below_root, (_exec.DIRECTORY, RPM_DOWNLOADS)) if os.path.isdir(path)]
    if os.path.exists(below_root(RECORD)):
        names.append(RECORD)
    return Remains(credentials, names, directories)
