"""When the company lives: its days, from 0, and how much is done on each."""

from __future__ import annotations

from datetime import UTC, datetime

from schemas.times import DAY_MS

START_MS = int(datetime(2025, 9, 1, tzinfo=UTC).timestamp() * 1000)
"""A Monday, and long enough ago that no clock takes the log for the future."""

DAYS = 90
WEEKEND = 0.15
"""How much of a working day's use there is on a Saturday or Sunday."""


def day_ms(day: int) -> int:
    """When a day begins."""
    return START_MS + day * DAY_MS


def day_of(at_ms: int) -> int:
    return (at_ms - START_MS) // DAY_MS


def use_of_day(day: int) -> float:
    return WEEKEND if day % 7 >= 5 else 1.0
