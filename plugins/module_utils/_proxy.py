# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One proxy for the SSM agent, Docker and the ECS agent, as a server has it: pure. Private to this collection.

systemd gives Docker and the SSM agent the variables of one file, which only root reads: what a unit itself says of its
environment every user of the server can see. The ECS agent has them among its settings.
"""

from __future__ import annotations

from typing import Dict
from typing import Mapping

from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _ecs_config

FILE = "/etc/hybrid-ecs-anywhere/proxy.env"
DROP_IN = "99-hybrid-ecs-anywhere-proxy.conf"  # 99: after those of an administrator, whose proxy is another one
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
# Docker's socket, and the addresses at which containers and agents get credentials: never through a proxy.

Environment = Dict[str, str]


def secrets(values: Mapping[str, str]) -> set[str]:
    """The addresses that hold a password."""
    return {value for name, value in values.items() if value != _ecs_config.masked(name, value)}


def of_process(environ: str) -> Environment:
    """What a process works with, masked, from /proc/PID/environ."""
    found = dict(entry.partition("=")[::2] for entry in environ.split("\0"))
    return _ecs_config.masked_settings({name: found[name] for name in VARIABLES if found.get(name)})


def drop_in_reads_file(text: str | None) -> bool:
    return text is not None and f"EnvironmentFile={FILE}" in text.split()
