# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Faults that tests inject: an error, a delay, a dropped connection; by operation, principal, count and share."""

from __future__ import annotations

import threading
from dataclasses import asdict
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any


@dataclass
class Fault:
    operation: str
    principal: str = "*"
    code: str = ""
    message: str = "injected fault"
    status: int = 400
    delay: float = 0
    drop: str = ""
    count: int = 0
    share: float = 1.0
    id: int = 0
    fired: int = 0
    seen: int = 0

    def check(self) -> None:
        if self.drop not in ("", "before", "after"):
            raise ValueError("drop is before or after")
        if not (self.code or self.delay or self.drop):
            raise ValueError("a fault needs a code, a delay or a drop")
        if not 0 < self.share <= 1:
            raise ValueError("share is above 0 and at most 1")
        if self.code and not 400 <= self.status <= 599:
            raise ValueError("status is 400 to 599")

    def fires(self) -> bool:
        """A share fires evenly spread, not at random: a test can count on it."""
        if self.count and self.fired >= self.count:
            return False
        self.seen += 1
        if int(self.seen * self.share) == int((self.seen - 1) * self.share):
            return False
        self.fired += 1
        return True


class Faults:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._next = 1

    def add(self, spec: dict[str, Any]) -> dict[str, Any]:
        if "operation" not in spec:
            raise ValueError("operation is required, as service:Operation")
        known = set(Fault.__dataclass_fields__) - {"id", "fired", "seen"}
        if unknown := set(spec) - known:
            raise ValueError(f"unknown fields: {', '.join(sorted(unknown))}")
        fault = Fault(**spec)
        fault.check()
        with self._lock:
            fault.id, self._next = self._next, self._next + 1
            self._faults.append(fault)
        return asdict(fault)

    def list(self) -> list[dict[str, Any]]:
        with self._lock:
            return [asdict(f) for f in self._faults]

    def clear(self, fault_id: int | None = None) -> None:
        with self._lock:
            self._faults = [] if fault_id is None else [f for f in self._faults if f.id != fault_id]

    def match(self, operation: str, principal: str) -> Fault | None:
        """The first fault that applies and fires."""
        with self._lock:
            for fault in self._faults:
                if (
                    fnmatchcase(operation, fault.operation)
                    and fnmatchcase(principal, fault.principal)
                    and fault.fires()
                ):
                    return fault
        return None
