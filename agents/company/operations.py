"""The product as its makers see it: what they ship, what breaks, and how fast it answers."""

from __future__ import annotations

from typing import Any

from agents.company.desk import Desk
from agents.company.incidents import BROKEN_DAYS
from agents.company.timeline import day_ms, day_of, use_of_day
from schemas.times import DAY_MS, HOUR_MS, MINUTE_MS

MEASURED_EVERY_MS = 3 * HOUR_MS
USUAL_MS, BROKEN_MS = 180, 520
SHIPPED = (
    *("templates", "pdf", "comments", "report editor", "schedules", "themes"),
    *("embedding", "exports", "mobile view", "audit log"),
)
SHIPPED_EVERY_DAYS = 7
DEFECT_OF_A_DAY = 0.3
DOWN_DAYS = (19, 50, 73, 87)


def operations(desk: Desk) -> None:
    for at_ms in range(day_ms(0), desk.end_ms, MEASURED_EVERY_MS):
        typical = BROKEN_MS if day_of(at_ms) in BROKEN_DAYS else USUAL_MS
        ms = int(typical * desk.rng.lognormvariate(0, 0.35))
        desk.books(at_ms + desk.within(0, HOUR_MS), "Response Measured", ms=ms)
    for day in range(desk.days):
        if desk.chance(DEFECT_OF_A_DAY * use_of_day(day)):
            severity = desk.rng.choice(("minor", "minor", "major"))
            solved_ms = desk.within(4 * HOUR_MS, 6 * DAY_MS)
            _defect(desk, day_ms(day) + 11 * HOUR_MS, severity, solved_ms)
        if day in DOWN_DAYS:
            _downtime(desk, day_ms(day) + desk.within(6 * HOUR_MS, 20 * HOUR_MS))
    for minutes in (0, 25, 70):
        at_ms = day_ms(BROKEN_DAYS[0]) + 9 * HOUR_MS + minutes * MINUTE_MS
        _defect(desk, at_ms, "critical", len(BROKEN_DAYS) * DAY_MS)
    _releases(desk)


def _defect(desk: Desk, at_ms: int, severity: str, takes_ms: int) -> None:
    defect: dict[str, Any] = {"id": desk.id("defect"), "kind": "defect", "severity": severity}
    desk.books(at_ms, "Incident Opened", status="opened", **defect)
    desk.books(at_ms + takes_ms, "Incident Resolved", status="resolved", **defect)


def _downtime(desk: Desk, at_ms: int) -> None:
    downtime: dict[str, Any] = {
        "id": desk.id("down"),
        "kind": "downtime",
        "impact": desk.rng.randrange(5, 80),
    }
    ends_ms = at_ms + desk.within(8 * MINUTE_MS, 90 * MINUTE_MS)
    desk.books(at_ms, "Incident Started", status="started", **downtime)
    desk.books(ends_ms, "Incident Ended", status="ended", **downtime)


def _releases(desk: Desk) -> None:
    """One a week, on a Monday; what turned out of it is checked four days later."""
    for number, day in enumerate(range(0, desk.days, SHIPPED_EVERY_DAYS)):
        edition, which = divmod(number, len(SHIPPED))
        feature = f"{SHIPPED[which]} {edition + 1}" if edition else SHIPPED[which]
        at_ms = day_ms(day) + 8 * HOUR_MS
        desk.books(at_ms, "Feature Shipped", status="shipped", feature=feature)
        result = 0 if day in BROKEN_DAYS else 1
        desk.books(
            at_ms + 4 * DAY_MS,
            "Feature Checked",
            status="quality",
            feature=feature,
            result=result,
        )
