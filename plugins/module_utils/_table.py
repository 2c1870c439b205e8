# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Tables of plain ASCII for a terminal. Pure functions, private to this collection."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(width - 1, 0)] + "~"


def rows(cells: list[list[str]], width: int, elastic: Iterable[int]) -> list[str]:
    """Columns as wide as they need to be; if that is too wide, the *elastic* ones give way in turn, down to ten."""
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    for column in elastic:
        excess = sum(widths) + 2 * (len(widths) - 1) - width
        if excess > 0:
            widths[column] = max(min(10, widths[column]), widths[column] - excess)
    return [
        "  ".join(_cut(cell, w).ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()[:width] for row in cells
    ]


def wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(plain(text), width, initial_indent="  ", subsequent_indent="    ")


def plain(text: str) -> str:
    """Every character is one column wide, and none moves the cursor."""
    return "".join(c if " " <= c <= "~" else "?" for c in text)
