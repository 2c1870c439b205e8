# -*- coding: utf-8 -*-
# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ECS Exec needs on a server, and where it has to be. Private to this collection.

The ECS agent looks below one directory when it starts. Of several versions that are whole it takes the newest, so that
the SSM agent's own must not have a newer one beside it. Older ones stay: containers that run have them mounted.
"""

from __future__ import annotations

import os
from typing import Any
from typing import Callable

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


def directory_of(version: str) -> str:
    return f"{DIRECTORY}/bin/{version}"


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
        names = os.listdir(below_root(f"{DIRECTORY}/bin"))
    except OSError:
        names = []
    whole = [
        name
        for name in names
        if name[:1].isdigit()
        and all(os.access(below_root(f"{directory_of(name)}/{binary}"), os.X_OK) for binary in BINARIES)
    ]
    if len(whole) > 1:
        # A read of a server compares versions nowhere else, and would compile this for nothing.
        from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._agent_versions import numbers

        whole.sort(key=numbers)
    source = system_ca_bundle(below_root)
    own = _content(below_root(CA_BUNDLE))
    return {"versions": whole, "ca_bundle": own is not None and own == _content(below_root(source or CA_BUNDLE))}
