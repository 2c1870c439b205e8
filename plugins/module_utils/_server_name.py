# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Names of servers: a pure function. Private to this collection."""

from __future__ import annotations


def is_name_of(one: str | None, other: str | None) -> bool:
    """Whether two names may be those of one server: they are equal, or one of them lacks the domain.

    Addresses have no domain: they are names of one server only if they are equal.
    """
    one, other = (one or "").rstrip(".").lower(), (other or "").rstrip(".").lower()
    if not one or not other:
        return False
    if one == other:
        return True
    short, full = sorted((one, other), key=len)
    return not short.isdigit() and full.startswith(f"{short}.") and "." not in short
