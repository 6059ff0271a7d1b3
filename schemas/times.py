"""Times at the edges: ISO-8601 UTC with milliseconds and Z outside, integer milliseconds inside."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@lru_cache(maxsize=1 << 14)
def iso(ms: int) -> str:
    """`2026-03-01T09:15:30.123Z` of UTC milliseconds.

    >>> iso(0)
    '1970-01-01T00:00:00.000Z'
    """
    day, rest = divmod(ms, DAY_MS)
    if rest == 0:
        return f"{_date(day)}T00:00:00.000Z"
    seconds, millis = divmod(rest, SECOND_MS)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{_date(day)}T{hour:02d}:{minute:02d}:{second:02d}.{millis:03d}Z"


@lru_cache(maxsize=4096)
def _date(day: int) -> str:
    return (_EPOCH + timedelta(days=day)).date().isoformat()


def parse_iso(text: str) -> int:
    """UTC milliseconds (floored) of an ISO-8601 time; a time without a zone counts as UTC.

    Raises ValueError for anything else.

    >>> parse_iso("2026-03-01T10:15:30.1239+01:00") == parse_iso("2026-03-01T09:15:30.123Z")
    True
    """
    return (moment_of(text) - _EPOCH) // _MILLISECOND


def moment_of(text: str) -> datetime:
    """The moment of an ISO-8601 time, as `parse_iso` reads it."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
