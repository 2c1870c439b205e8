# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keeps everything on disk when asked to: backends of moto, clock, settings, faults. One file, replaced as a whole."""

from __future__ import annotations

import io
import os
import pickle
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from moto.core.base_backend import BackendDict
from moto.core.base_backend import BaseBackend
from moto.ecs.models import ecs_backends
from moto.iam.models import AWSManagedPolicy
from moto.iam.models import iam_backends
from moto.ssm.models import ParameterDict
from moto.ssm.models import ssm_backends
from moto.sts.models import sts_backends

from .faults import Fault
from .runtime import runtime

# In this order: the roles must be there before what refers to them.
REGISTRIES: dict[str, Any] = {"iam": iam_backends, "sts": sts_backends, "ssm": ssm_backends, "ecs": ecs_backends}
VERSION = 1
QUICK = 0.05  # seconds; a save that takes longer is left to the background thread


def _empty_parameters(account: str, region: str) -> ParameterDict:
    return ParameterDict(account, region)


class _Pickler(pickle.Pickler):
    """References to backends and to AWS's policies are kept as names: both are made anew at start."""

    def persistent_id(self, obj: Any) -> Any:
        if isinstance(obj, BaseBackend):
            for name, registry in REGISTRIES.items():
                if isinstance(obj, registry.backend):
                    return ("backend", name, obj.account_id, obj.region_name)
            return ("none",)
        if isinstance(obj, AWSManagedPolicy):
            return ("policy", obj.account_id, obj.partition, obj.arn)
        return None

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, ParameterDict):
            return _empty_parameters, (obj.account_id, obj.region_name), dict(vars(obj)), None, iter(dict.items(obj))
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    def persistent_load(self, pid: Any) -> Any:
        if pid[0] == "backend":
            return REGISTRIES[pid[1]][pid[2]][pid[3]]
        if pid[0] == "policy":
            return iam_backends[pid[1]][pid[2]].managed_policies[pid[3]]
        return None


def _content(name: str, backend: BaseBackend) -> dict[str, Any]:
    content = dict(vars(backend))
    if name == "iam":
        content.pop("aws_managed_policies")
        own = {a: p for a, p in content["managed_policies"].items() if not isinstance(p, AWSManagedPolicy)}
        content["managed_policies"] = own
    return content


def dump() -> bytes:
    backends = [
        (name, account, region, _content(name, backend))
        for name, registry in REGISTRIES.items()
        for account, regions in list(registry.items())
        for region, backend in list(regions.items())
    ]
    out = io.BytesIO()
    _Pickler(out, protocol=5).dump(
        {
            "version": VERSION,
            "clock": runtime.clock.offset,
            "settings": runtime.settings.as_dict(),
            "faults": runtime.faults.list(),
            "backends": backends,
        }
    )
    return out.getvalue()


def restore(data: bytes) -> None:
    loaded = _Unpickler(io.BytesIO(data)).load()
    if loaded["version"] != VERSION:
        raise ValueError(f"state of version {loaded['version']}, this emulator reads {VERSION}")
    runtime.clock.offset = loaded["clock"]
    runtime.settings.update(loaded["settings"])
    names = Fault.__dataclass_fields__.keys() - {"id", "fired", "seen"}
    for fault in loaded["faults"]:
        if not fault["count"] or fault["fired"] < fault["count"]:
            fault["count"] -= fault["fired"] if fault["count"] else 0
            runtime.faults.add({k: fault[k] for k in names})
    for name, account, region, content in loaded["backends"]:
        backend = REGISTRIES[name][account][region]
        if name == "iam":
            content["managed_policies"] = {**backend.managed_policies, **content["managed_policies"]}
        vars(backend).update(content)
        if name == "iam":
            _count_attachments(backend)


def _count_attachments(iam: Any) -> None:
    for policy in iam.aws_managed_policies:
        policy.attachment_count = 0
    for owner in [*iam.roles.values(), *iam.users.values(), *iam.groups.values()]:
        for policy in owner.managed_policies.values():
            if isinstance(policy, AWSManagedPolicy):
                policy.attachment_count += 1


def clear() -> None:
    """Backends are made lazily: forgetting them is a reset, and cheap."""
    for registry in list(BackendDict._instances):
        registry.clear()
    BackendDict._instances.clear()


class State:
    """`saved` after a write that must not be lost; `touch` after one that may wait half a second."""

    def __init__(self, directory: Path | None) -> None:
        self._path = directory / "state.pickle" if directory else None
        self._dirty = threading.Event()
        self._writing = threading.Lock()
        self._last_cost = 0.0

    def load(self) -> None:
        if self._path and self._path.exists():
            restore(self._path.read_bytes())

    def touch(self) -> None:
        self._dirty.set()

    def saved(self) -> None:
        self._dirty.set()
        if self._path and self._last_cost < QUICK:
            self.save()

    def save(self) -> None:
        if self._path is None:
            return
        with self._writing:
            began = time.monotonic()
            with runtime.lock:
                self._dirty.clear()
                data = dump()
            new = self._path.with_suffix(".new")
            with new.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path)
            self._last_cost = time.monotonic() - began

    def run(self, report: Callable[[str], None]) -> None:
        """The background thread."""
        while not runtime.stopping.is_set():
            if self._dirty.wait(timeout=1):
                try:
                    self.save()
                except Exception as error:  # a state that can not be saved must be seen, not end the thread
                    report(f"state not saved: {error!r}")
                runtime.stopping.wait(0.4)
