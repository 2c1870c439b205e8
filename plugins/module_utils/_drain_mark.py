# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The attribute by which a container instance tells why it was drained. Pure functions, private to this collection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MARK = "hybrid.ecs_anywhere.draining"
# The reason that the role gives.
UPGRADE = "upgrade"


def mark_of(instance: Mapping[str, Any]) -> str | None:
    """The mark of a container instance, whatever its status."""
    mark = (instance.get("attributes") or {}).get(MARK)
    return mark and str(mark)


def drain_reason(instance: Mapping[str, Any]) -> str | None:
    """What it is DRAINING for. One that is ACTIVE may have a mark that a killed run left, and is not drained for it."""
    return mark_of(instance) if instance.get("status") == "DRAINING" else None
