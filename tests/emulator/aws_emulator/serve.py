# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Puts the parts together: own backends on moto's registries, then the servers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from moto.ecs.models import ecs_backends
from moto.iam.models import iam_backends
from moto.ssm.models import ssm_backends

from .acs import AgentHub
from .calllog import CallLog
from .config import Options
from .config import Settings
from .ecs_models import HybridEcsBackend
from .faults import Faults
from .front import Front
from .iam_models import HybridIAMBackend
from .runtime import runtime
from .server import Server
from .ssm_models import HybridSsmBackend
from .state import State
from .tls import CertificateAuthority


def serve(
    options: Options, directory: Path, report: Callable[[str], None]
) -> tuple[list[Server], CertificateAuthority]:
    iam_backends.backend = HybridIAMBackend
    ssm_backends.backend = HybridSsmBackend
    ecs_backends.backend = HybridEcsBackend
    keep = directory if options.state else None
    runtime.options = options
    runtime.settings = Settings(token_ttl=options.token_ttl)
    runtime.log = CallLog(directory / "calls.jsonl" if keep else None)
    runtime.faults = Faults()
    runtime.hub = AgentHub()
    runtime.state = State(keep)
    runtime.state.load()
    threading.Thread(target=runtime.state.run, args=(report,), daemon=True).start()
    authority = CertificateAuthority(directory)
    front = Front(report)
    servers = []
    if options.http_port:
        servers.append(Server(options.listen, options.http_port, front, None))
    if options.https_port:
        servers.append(Server(options.listen, options.https_port, front, authority))
    return servers, authority
