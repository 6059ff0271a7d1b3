"""Quiet hours go by the clocks and the calendar of the plan's zone."""

import pytest

from schemas.plan.check import load_plan
from schemas.times import parse_iso
from streams.alerting.quiet_hours import quiet_at


def is_quiet(written: str, at: str, timezone: str = "Europe/Berlin") -> bool:
    plan = load_plan(f"product: P\ntimezone: {timezone}\nalerts: {{quiet_hours: {written}}}\n")
    return quiet_at(plan.alerts.quiet_hours, plan.timezone)(parse_iso(at))


NIGHT = '{start: "20:00", end: "08:00"}'
LUNCH = '{start: "12:00", end: "13:00", weekends: true}'


@pytest.mark.parametrize(
    ("written", "local", "quiet"),
    [
        (NIGHT, "2026-03-03T19:59:59+01:00", False),
        (NIGHT, "2026-03-03T20:00:00+01:00", True),
        (NIGHT, "2026-03-04T00:00:00+01:00", True),
        (NIGHT, "2026-03-04T07:59:59+01:00", True),
        (NIGHT, "2026-03-04T08:00:00+01:00", False),
        (NIGHT, "2026-03-07T12:00:00+01:00", False),  # a Saturday
        (NIGHT, "2026-03-29T08:00:00+02:00", False),  # the clocks went forward that night
        (NIGHT, "2026-03-29T07:59:00+02:00", True),
        (NIGHT, "2026-10-25T02:30:00+01:00", True),  # and back, twice 02:30
        (LUNCH, "2026-03-03T11:59:59+01:00", False),
        (LUNCH, "2026-03-03T12:00:00+01:00", True),
        (LUNCH, "2026-03-03T13:00:00+01:00", False),
        (LUNCH, "2026-03-06T23:59:59+01:00", False),
        (LUNCH, "2026-03-07T00:00:00+01:00", True),
        (LUNCH, "2026-03-08T23:59:59+01:00", True),
        (LUNCH, "2026-03-09T00:00:00+01:00", False),
        ('{start: "00:00", end: "00:00"}', "2026-03-03T00:00:00+01:00", False),
        ('{start: "00:00", end: "00:00", weekends: true}', "2026-03-07T12:00:00+01:00", True),
    ],
)
def test_a_moment_is_quiet_or_not(written: str, local: str, quiet: bool) -> None:
    assert is_quiet(written, local) is quiet


def test_without_quiet_hours_no_moment_is() -> None:
    assert not quiet_at(None, "UTC")(parse_iso("2026-03-07T00:00:00Z"))
