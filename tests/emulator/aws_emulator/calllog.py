# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every call that reached the emulator, in memory and as JSON lines."""

from __future__ import annotations

import json
import threading
from collections import deque
from datetime import UTC
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

KEEP = 50_000


class CallLog:
    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._calls: deque[dict[str, Any]] = deque(maxlen=KEEP)
        self._n = 0
        if path and path.exists():
            self._load(path)
        self._file = path.open("a", encoding="utf-8") if path else None

    def _load(self, path: Path) -> None:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue  # a kill may cut the last line
                self._calls.append(entry)
                self._n = max(self._n, entry["n"])

    def add(self, **fields: Any) -> None:
        with self._lock:
            self._n += 1
            stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            entry = {"n": self._n, "time": stamp, **fields}
            self._calls.append(entry)
            if self._file:
                self._file.write(json.dumps(entry) + "\n")
                self._file.flush()

    def query(self, after: int = 0, **wanted: str) -> list[dict[str, Any]]:
        """wanted: service, operation, principal as globs; empty ones match everything."""
        with self._lock:
            calls = list(self._calls)
        globs = {k: v for k, v in wanted.items() if v}
        return [
            c for c in calls if c["n"] > after and all(fnmatchcase(str(c.get(k) or ""), g) for k, g in globs.items())
        ]

    def clear(self) -> None:
        """Numbers go on, so a reader's "after" stays right."""
        with self._lock:
            self._calls.clear()
            if self._file:
                self._file.truncate(0)
