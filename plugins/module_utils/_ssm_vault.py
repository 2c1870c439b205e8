# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the SSM agent's files say. Private to this collection.

Every read of a server compiles this anew: what follows from it is in _ssm_registration.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any
from typing import NamedTuple

ROOT = "/var/lib/amazon/ssm"
FORMER = ".ecs_anywhere_former"  # the role writes it
PROC = "/proc"
BINARIES = {
    "package": "/usr/bin/amazon-ssm-agent",
    "snap": "/snap/amazon-ssm-agent/current/amazon-ssm-agent",
}
UNITS = {
    "package": "amazon-ssm-agent.service",
    "snap": "snap.amazon-ssm-agent.amazon-ssm-agent.service",
}


class Journal(NamedTuple):
    """What a run wrote down of itself, so that the next one can end it."""

    operation: str  # register or clear
    step: str
    previous_id: str | None
    service_active: bool


class Vault(NamedTuple):
    """What the agent's files say. A problem means that the vault is there and cannot be understood."""

    instance_id: str | None = None
    region: str | None = None
    created: str | None = None
    problem: str | None = None
    registration_id: str | None = None  # what the file "registration" says, which outlives the truth
    registration_exists: bool = False

    @property
    def stale(self) -> bool:
        return self.registration_id is not None and self.registration_id != self.instance_id


def path(*names: str) -> str:
    return os.path.join(ROOT, *names)


def backup_path(*names: str) -> str:
    return path(".ecs_anywhere_backup", *names)


def iso_time(go_time: str) -> str | None:
    """A time as Go prints it (2026-11-23 16:51:45.65 +0000 UTC) in the form of ISO 8601."""
    found = re.match(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.\d+)? \+0000\b", go_time)
    return f"{found.group(1)}T{found.group(2)}Z" if found else None


def _json_file(name: str) -> Any:
    """Content of a JSON file, None when there is none or when it is empty. OSError and ValueError say what is wrong."""
    try:
        with open(name, encoding="utf-8") as stream:
            text = stream.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    content = json.loads(text) if text.strip() else None
    if content is not None and not isinstance(content, dict):
        raise ValueError("no JSON object")
    return content


def read_vault() -> Vault:
    values: dict[str, Any] = {}
    try:
        record = _json_file(path("Vault", "Store", "RegistrationKey")) or {}
        values["instance_id"] = str(record.get("instanceID") or "") or None
        values["region"] = str(record.get("region") or "") or None
        values["created"] = iso_time(str(record.get("privateKeyCreatedDate") or ""))
    except OSError as e:
        values["problem"] = e.strerror or str(e)
    except ValueError:
        values["problem"] = "it holds no valid JSON"
    try:
        record = _json_file(path("registration")) or {}
        values["registration_id"] = str(record.get("ManagedInstanceID") or "") or None
    except (OSError, ValueError):
        pass  # the file decides nothing
    values["registration_exists"] = os.path.exists(path("registration"))
    return Vault(**values)


def read_similarity_threshold() -> int | None:
    try:
        threshold = (_json_file(path("Vault", "Store", "InstanceFingerprint")) or {}).get("similarityThreshold")
    except (OSError, ValueError):
        return None
    return threshold if isinstance(threshold, int) else None


def read_journal() -> Journal | None:
    """The journal of an interrupted run. The backup appears as a whole, so a journal that is there is complete."""
    record = _json_file(backup_path("journal.json"))
    if record is None:
        return None
    return Journal(
        operation=str(record.get("operation")),
        step=str(record.get("step")),
        previous_id=record.get("previous_id"),
        service_active=bool(record.get("service_active")),
    )


def read_former() -> list[str]:
    """The container instances that a run noted before it registered the server anew, and has not retired yet."""
    try:
        with open(path(FORMER), encoding="utf-8") as stream:
            return stream.read().split()
    except OSError:
        return []


def registering_pids() -> list[int]:
    """Processes of this server (not of its containers) that register or clear the SSM agent at this moment."""
    pids = []
    for name in os.listdir(PROC):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(os.path.join(PROC, name, "cmdline"), "rb") as stream:
                arguments = stream.read(4096).split(b"\0")
            if not is_registration(arguments):
                continue
            here = os.readlink(os.path.join(PROC, "self", "ns", "pid"))
            if os.readlink(os.path.join(PROC, name, "ns", "pid")) == here:
                pids.append(int(name))
        except OSError:
            continue  # it ended meanwhile
    return pids


def is_registration(arguments: list[bytes]) -> bool:
    """Whether a command line is the agent's registration. The agent may be started by an interpreter."""
    names = [argument.rpartition(b"/")[2] for argument in arguments[:3]]
    return b"amazon-ssm-agent" in names and (b"-register" in arguments or b"--register" in arguments)


def find_agent() -> str | None:
    """How the agent is installed: package, snap, or not at all."""
    return next((source for source, binary in BINARIES.items() if os.path.exists(binary)), None)
