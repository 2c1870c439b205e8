# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When what ECS Exec needs is missing on a server: pure functions. Private to this collection."""

from __future__ import annotations

from typing import Any
from typing import Mapping
from typing import NamedTuple

from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._agent_versions import numbers

CAPABILITY = "ecs.capability.execute-command"

Read = Mapping[str, Any]


class ExecPlan(NamedTuple):
    """Why something has to be put in place, and why the ECS agent has to be restarted."""

    install: str | None
    restart: str | None


def newer(versions: list[str], version: str) -> list[str]:
    """Those that the ECS agent would take instead of *version*."""
    return [other for other in versions if numbers(other) > numbers(version)]


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
