"""When alerts wait, and what is left to say when the wait is over."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from schemas.plan.models import QuietHours
from streams.alerting.standing import DISPROVED

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SATURDAY = 5


def quiet_at(hours: QuietHours | None, timezone: str) -> Callable[[int], bool]:
    """Whether a moment (UTC milliseconds) is quiet, by the clocks and the calendar of the zone.

    The quiet part of a day is half-open, [start, end), and goes over midnight if it ends before it
    starts; with the same start and end there is none.
    """
    if hours is None:
        return lambda _: False
    zone = ZoneInfo(timezone)
    start, end = hours.start_minute, hours.end_minute

    def quiet(at_ms: int) -> bool:
        local = (_EPOCH + timedelta(milliseconds=at_ms)).astimezone(zone)
        if hours.weekends and local.weekday() >= SATURDAY:
            return True
        minute = 60 * local.hour + local.minute
        return start <= minute < end if start <= end else minute >= start or minute < end

    return quiet


class Held(NamedTuple):
    """What was said of an alert while delivery waited."""

    id: str
    revision: int
    state: str


def left_to_say(held: Sequence[Held]) -> list[bool]:
    """Of records in their order: which to deliver now that the wait is over.

    Of each alert the last one; and none of an alert that was both told and disproved meanwhile.
    """
    last = {each.id: number for number, each in enumerate(held)}
    firsts = {each.id for each in held if each.revision == 1}
    return [
        last[each.id] == number and not (each.state == DISPROVED and each.id in firsts)
        for number, each in enumerate(held)
    ]
