# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

# This is a private plugin_util: it may change without notice.

"""A module that is executed again and again until nothing is unfinished, and tells how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ansible.utils.display import Display

display = Display()
Result = dict[str, Any]

SECONDS_BETWEEN_LOOKS = 5


def watch(
    result: Result,
    look: Callable[[Result], Result],
    merged: Callable[[Result, Result], Result],
    progress: Callable[[Result], str],
    timed_out: Callable[[Result, float], Result],
    where: str,
    timeout: float,
) -> Result:
    """Until C(unfinished) of the result is empty, or *timeout* seconds are over. Each new line of progress is shown."""
    start = time.monotonic()
    said = None
    while result["unfinished"]:
        line = progress(result)
        if line != said:
            display.display(f"{where}: {line}")
            said = line
        if time.monotonic() - start >= timeout:
            return timed_out(result, timeout)
        time.sleep(SECONDS_BETWEEN_LOOKS)
        later = look(result)
        if "unfinished" not in later:  # it could not look
            return {**result, **later, "changed": result["changed"]}
        result = merged(result, later)
    if said is not None:
        display.display(f"{where}: {progress(result)}")
    return result
