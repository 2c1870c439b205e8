# -*- coding: utf-8 -*-
# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ECS Exec needs on a server, where it has to be, and when it is missing. Private to this collection.

The ECS agent looks below one directory when it starts. Of several versions that are whole it takes the newest, so that
the SSM agent's own must not have a newer one beside it. Older ones stay: containers that run have them mounted.
"""

from __future__ import annotations

import os
from typing import Any
from typing import Callable
from typing import Mapping
from typing import NamedTuple

from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._agent_versions import numbers

DIRECTORY = "/var/lib/ecs/deps/execute-command"
BINARIES = ("amazon-ssm-agent", "ssm-agent-worker", "ssm-session-worker")
CA_BUNDLE = f"{DIRECTORY}/certs/tls-ca-bundle.pem"
# The server's own authorities: of Debian, of RHEL, of SUSE.
SYSTEM_CA_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/var/lib/ca-certificates/ca-bundle.pem",
)
# What the ECS agent registers with when all of it is there.
CAPABILITY = "ecs.capability.execute-command"

Read = Mapping[str, Any]


class ExecPlan(NamedTuple):
    """Why something has to be put in place, and why the ECS agent has to be restarted."""

    install: str | None
    restart: str | None


def directory_of(version: str) -> str:
    return f"{DIRECTORY}/bin/{version}"


def newer(versions: list[str], version: str) -> list[str]:
    """Those that the ECS agent would take instead of *version*."""
    return [other for other in versions if numbers(other) > numbers(version)]


def _content(path: str) -> bytes | None:
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError:
        return None


def system_ca_bundle(below_root: Callable[[str], str]) -> str | None:
    return next((path for path in SYSTEM_CA_BUNDLES if os.path.isfile(below_root(path))), None)


def look(below_root: Callable[[str], str]) -> dict[str, Any]:
    """What is there: the versions that are whole, and whether the CA bundle is the server's own."""
    try:
        names = sorted(os.listdir(below_root(f"{DIRECTORY}/bin")), key=numbers)
    except OSError:
        names = []
    whole = [
        name
        for name in names
        if name[:1].isdigit()
        and all(os.access(below_root(f"{directory_of(name)}/{binary}"), os.X_OK) for binary in BINARIES)
    ]
    source = system_ca_bundle(below_root)
    own = _content(below_root(CA_BUNDLE))
    return {"versions": whole, "ca_bundle": own is not None and own == _content(below_root(source or CA_BUNDLE))}


def binaries_reason(found: Read, version: str | None) -> str | None:
    """What is wrong with the binaries. version: that of the SSM agent, None when it is yet to be installed."""
    if version is None or version not in found["versions"]:
        others = f" (there is {', '.join(found['versions'])})" if found["versions"] else ""
        return f"ECS Exec has no binaries of the SSM agent's version{f' {version}' if version else ''}{others}"
    stale = newer(found["versions"], version)
    if stale:
        return f"ECS Exec has newer binaries ({', '.join(stale)}) than the SSM agent ({version}), which would be taken"
    return None


def exec_plan(host: Read, wanted: Read, version: str | None) -> ExecPlan:
    if not wanted.get("exec"):
        return ExecPlan(None, None)
    binaries = binaries_reason(host["exec"], version)
    bundle = None if host["exec"]["ca_bundle"] else "ECS Exec has not the server's bundle of certificate authorities"
    return ExecPlan(binaries or bundle, "it looks for what ECS Exec needs when it starts" if binaries else None)


def capability_reason(wanted: Read, ecs: Read | None) -> str | None:
    """What AWS says of ECS Exec, where that is not what is wanted."""
    if not wanted.get("exec") or not ecs or CAPABILITY in (ecs.get("attributes") or {}):
        return None
    return f"ECS does not list {CAPABILITY}"
