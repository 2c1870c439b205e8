# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The control endpoint of tests, /_emulator/..., on every port. Plain JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from typing import cast
from urllib.parse import parse_qs

from moto.ssm.models import ssm_backends

from . import state
from .runtime import runtime
from .seed import seed
from .ssm_models import HybridSsmBackend

PREFIX = "/_emulator"
Result = tuple[int, Any]


def _health(_: dict[str, str], __: dict[str, Any]) -> Result:
    options = runtime.options
    return 200, {
        "status": "ok",
        "account": options.account,
        "region": options.region,
        "clock_offset": runtime.clock.offset,
        "connections": runtime.hub.counts(),
        "settings": runtime.settings.as_dict(),
    }


def _calls(query: dict[str, str], _: dict[str, Any]) -> Result:
    names = ("service", "operation", "principal", "region", "error")
    return 200, runtime.log.query(int(query.get("after", 0)), **{n: query.get(n, "") for n in names})


def _forget_calls(_: dict[str, str], __: dict[str, Any]) -> Result:
    runtime.log.clear()
    return 200, {}


def _add_fault(_: dict[str, str], body: dict[str, Any]) -> Result:
    return 201, runtime.faults.add(body)


def _list_faults(_: dict[str, str], __: dict[str, Any]) -> Result:
    return 200, runtime.faults.list()


def _clear_faults(query: dict[str, str], _: dict[str, Any]) -> Result:
    runtime.faults.clear(int(query["id"]) if "id" in query else None)
    return 200, {}


def _settings(_: dict[str, str], body: dict[str, Any]) -> Result:
    runtime.settings.update(body)
    return 200, runtime.settings.as_dict()


def _clock(_: dict[str, str], body: dict[str, Any]) -> Result:
    runtime.clock.offset += float(body["advance"])
    return 200, {"offset": runtime.clock.offset, "now": runtime.clock.now().isoformat()}


def _reset(_: dict[str, str], __: dict[str, Any]) -> Result:
    runtime.hub.disconnect_all()
    with runtime.lock:
        state.clear()
        runtime.clock.offset = 0.0
        runtime.settings.reset()
        runtime.faults.clear()
        runtime.log.clear()
    return 200, {}


def _ssm_backends() -> list[HybridSsmBackend]:
    with runtime.lock:
        return [cast("HybridSsmBackend", b) for b in ssm_backends[runtime.options.account].values()]


def _codes(_: dict[str, str], __: dict[str, Any]) -> Result:
    """Every activation code ever given out, deleted activations included."""
    found = [
        {"activation_id": i, "code": code} for backend in _ssm_backends() for i, code in list(backend.codes.items())
    ]
    return 200, found


def _nodes(_: dict[str, str], __: dict[str, Any]) -> Result:
    """Every managed node of every region, those that never pinged included."""
    return 200, [
        {"managed_instance_id": node.id, "activation_id": node.activation_id, "fingerprint": node.fingerprint}
        for backend in _ssm_backends()
        for node in list(backend.nodes.values())
    ]


def _seed(_: dict[str, str], body: dict[str, Any]) -> Result:
    with runtime.lock:
        return 201, seed(body)


ROUTES: dict[tuple[str, str], Callable[[dict[str, str], dict[str, Any]], Result]] = {
    ("GET", "/health"): _health,
    ("GET", "/calls"): _calls,
    ("DELETE", "/calls"): _forget_calls,
    ("POST", "/faults"): _add_fault,
    ("GET", "/faults"): _list_faults,
    ("DELETE", "/faults"): _clear_faults,
    ("PUT", "/settings"): _settings,
    ("GET", "/settings"): lambda _, __: (200, runtime.settings.as_dict()),
    ("POST", "/clock"): _clock,
    ("POST", "/reset"): _reset,
    ("POST", "/seed"): _seed,
    ("GET", "/activation-codes"): _codes,
    ("GET", "/managed-nodes"): _nodes,
}


def handle(method: str, path: str, query: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
    route = ROUTES.get((method, path.removeprefix(PREFIX).rstrip("/")))
    try:
        if route is None:
            known = ", ".join(f"{m} {PREFIX}{p}" for m, p in ROUTES)
            status, result = 404, {"error": f"no {method} {path}; there are: {known}"}
        else:
            arguments = {k: v[0] for k, v in parse_qs(query).items()}
            status, result = route(arguments, json.loads(body or b"{}"))
            if method != "GET":
                runtime.state.saved()
    except (ValueError, KeyError, TypeError) as error:
        status, result = 400, {"error": f"{type(error).__name__}: {error}"}
    return status, {"Content-Type": "application/json"}, json.dumps(result).encode()
