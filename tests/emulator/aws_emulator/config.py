# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the command line decides, and what the control endpoint may change while the emulator runs."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any

OPERATOR_KEY = "AKIAOPERATOR00000000"
OPERATOR_SECRET = "operator-secret-for-tests-only-0000000000"


@dataclass
class Options:
    listen: str = "127.0.0.1"
    https_port: int = 443
    http_port: int = 0
    state: Path | None = None
    packages: Path | None = None
    account: str = "123456789012"
    region: str = "us-east-1"
    token_ttl: int = 3600
    ready_file: Path | None = None


@dataclass
class Settings:
    """Changed by POST /_emulator/settings."""

    token_ttl: float = 3600
    iam_propagation_seconds: float = 0
    ping_timeout: float = 900
    heartbeat_seconds: float = 20
    long_poll_seconds: float = 15
    task_stop_seconds: float = 0
    key_rotation: bool = False
    initial: dict[str, Any] = field(default_factory=dict)

    NAMES = (
        "token_ttl",
        "iam_propagation_seconds",
        "ping_timeout",
        "heartbeat_seconds",
        "long_poll_seconds",
        "task_stop_seconds",
        "key_rotation",
    )

    def __post_init__(self) -> None:
        self.initial = self.as_dict()

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.NAMES}

    def update(self, changes: dict[str, Any]) -> None:
        for name, value in changes.items():
            if name not in self.NAMES:
                raise ValueError(f"unknown setting {name}; known: {', '.join(self.NAMES)}")
            kind = bool if name == "key_rotation" else float
            setattr(self, name, kind(value))

    def reset(self) -> None:
        self.update(self.initial)
