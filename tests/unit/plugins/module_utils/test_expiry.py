# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from datetime import UTC
from datetime import datetime
from datetime import timedelta
from datetime import timezone

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _expiry

NOW = datetime(2026, 11, 23, 20, 44, 5, 999, tzinfo=UTC)
SECOND = NOW.replace(microsecond=0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30m", SECOND + timedelta(minutes=30)),
        ("24h", SECOND + timedelta(hours=24)),
        ("7d", SECOND + timedelta(days=7)),
        ("1w", SECOND + timedelta(days=7)),
        ("1d12h30m5s", SECOND + timedelta(days=1, hours=12, minutes=30, seconds=5)),
        ("90", SECOND + timedelta(seconds=90)),
        ("3600", SECOND + timedelta(hours=1)),
        (" 2H ", SECOND + timedelta(hours=2)),
        ("30d", SECOND + timedelta(days=30) - timedelta(minutes=1)),
        ("2592000", SECOND + timedelta(days=30) - timedelta(minutes=1)),
        ("2026-12-01T00:00:00Z", datetime(2026, 12, 1, tzinfo=UTC)),
        ("2026-12-01", datetime(2026, 12, 1, tzinfo=UTC)),
        ("2026-12-01 00:00:00", datetime(2026, 12, 1, tzinfo=UTC)),
        ("2026-12-01T02:00:00+02:00", datetime(2026, 12, 1, tzinfo=timezone(timedelta(hours=2))) + timedelta(hours=2)),
    ],
)
def test_moments(text, expected):
    moment = _expiry.parse(text, NOW)
    assert moment == expected and moment.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no duration"),
        ("soon", "no duration"),
        ("-1h", "no duration"),
        ("1.5h", "no duration"),
        ("1h 30m", "no duration"),
        ("0", "longer than nothing"),
        ("0d0h", "longer than nothing"),
        ("31d", "30 days"),
        ("2592001", "30 days"),
        ("99999999999999999999d", "30 days"),
        ("999999999999", "30 days"),
        ("2026-11-23T20:44:05Z", "not in the future"),
        ("2026-12-23T20:44:06Z", "30 days ahead"),
    ],
)
def test_what_is_refused(text, words):
    with pytest.raises(ValueError, match=words):
        _expiry.parse(text, NOW)
