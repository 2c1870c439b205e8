# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""When an activation ends. Pure functions, private to this collection."""

from __future__ import annotations

import re
from datetime import UTC
from datetime import datetime
from datetime import timedelta

LONGEST = timedelta(days=30)
_DURATION = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", re.IGNORECASE)


def _duration(text: str) -> timedelta | None:
    if re.fullmatch(r"\d+", text):
        text += "s"
    found = _DURATION.fullmatch(text)
    if not text or not found:
        return None
    if sum(len(digits) for digits in found.groups() if digits) > 12:
        return timedelta.max
    weeks, days, hours, minutes, seconds = (int(n or 0) for n in found.groups())
    try:
        return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    except OverflowError:
        return timedelta.max


def parse(text: str, now: datetime) -> datetime:
    """A duration or a point in time as a moment in UTC. ValueError says what is wrong, in words for a user."""
    text = str(text).strip()
    duration = _duration(text)
    if duration is not None:
        if duration <= timedelta(0):
            raise ValueError(f"expiration={text} must be longer than nothing")
        if duration > LONGEST:
            raise ValueError(f"expiration={text} is more than the 30 days that AWS allows")
        # A minute less than the utmost, so that a clock that is a little fast does not spoil it.
        return (now + min(duration, LONGEST - timedelta(minutes=1))).replace(microsecond=0)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"expiration={text} is no duration (30m, 24h, 7d, seconds) and no ISO 8601 time (2026-12-24T18:00:00Z)"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    moment = moment.astimezone(UTC)
    if moment <= now:
        raise ValueError(f"expiration={text} is not in the future (it is {now:%Y-%m-%dT%H:%M:%SZ} now)")
    if moment > now + LONGEST:
        raise ValueError(f"expiration={text} is more than the 30 days ahead that AWS allows")
    return moment
