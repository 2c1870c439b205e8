# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one emulator of this process. moto makes its response objects itself, so they find their surroundings here."""

from __future__ import annotations

import threading
import time
from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING

from .config import Options
from .config import Settings

if TYPE_CHECKING:
    from .acs import AgentHub
    from .calllog import CallLog
    from .faults import Faults
    from .state import State


class Clock:
    """Real time plus what tests added to it."""

    def __init__(self) -> None:
        self.offset = 0.0

    def time(self) -> float:
        return time.time() + self.offset

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.time(), UTC)


class Runtime:
    """Everything that is not in a moto backend. `lock` guards the backends: moto's are not thread-safe."""

    options: Options
    settings: Settings
    log: CallLog
    faults: Faults
    hub: AgentHub
    state: State

    def __init__(self) -> None:
        self.clock = Clock()
        self.lock = threading.RLock()
        self.stopping = threading.Event()


runtime = Runtime()
