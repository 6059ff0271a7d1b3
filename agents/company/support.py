"""Support: tickets and how they go, what people say of it, and what it costs.

A release with which no report can be created brings many; so does a key account before it leaves.
"""

from __future__ import annotations

from agents.company.accounts import Person
from agents.company.desk import Desk
from agents.company.incidents import BROKEN_DAYS, KEY_DAYS, KEY_FROM_DAY
from agents.company.timeline import day_ms, day_of
from schemas.times import HOUR_MS, MINUTE_MS

USUAL, BROKEN, UNHAPPY = 0.012, 0.14, 0.12
"""Chance of a ticket in a sitting: usually, of a broken release, of a key account that leaves."""
UNHAPPY_DAYS = range(KEY_FROM_DAY + KEY_DAYS - 16, KEY_FROM_DAY + KEY_DAYS)
TICKET_COST = 900
TEAM_OF_A_WEEK = 24_000
"""Cents."""


def support(desk: Desk) -> None:
    for account in desk.accounts:
        for person in account.members:
            for sitting_ms in person.sittings:
                if desk.chance(_chance_of_ticket(person, day_of(sitting_ms))):
                    _ticket(desk, person, sitting_ms + 3 * MINUTE_MS)
    for day in range(0, desk.days, 7):
        at_ms = day_ms(day) + 17 * HOUR_MS
        desk.books(at_ms, "Cost Recorded", amount=TEAM_OF_A_WEEK, type="support")


def _chance_of_ticket(person: Person, day: int) -> float:
    if day in BROKEN_DAYS:
        return BROKEN
    return UNHAPPY if person.account.is_key and day in UNHAPPY_DAYS else USUAL


def _ticket(desk: Desk, person: Person, at_ms: int) -> None:
    """Opened, answered and closed; half of those who asked say how it was."""
    account, ticket = person.account, desk.id("ticket")
    is_bad = day_of(at_ms) in BROKEN_DAYS
    answered_ms = at_ms + int(desk.rng.lognormvariate(0.6, 0.8) * HOUR_MS * (3 if is_bad else 1))
    closed_ms = answered_ms + int(desk.rng.lognormvariate(1.8, 0.9) * HOUR_MS)
    desk.books(at_ms, "Ticket Created", account, person, id=ticket, status="created")
    desk.books(answered_ms, "Ticket Answered", account, person, id=ticket, status="first_response")
    desk.books(closed_ms, "Ticket Closed", account, person, id=ticket, status="closed")
    desk.books(closed_ms, "Cost Recorded", account, amount=TICKET_COST, type="support")
    if not desk.chance(0.5):
        return
    is_slow = answered_ms - at_ms > 4 * HOUR_MS
    rating = desk.rng.choice((1, 2, 3, 4) if is_bad or is_slow else (3, 4, 4, 5, 5, 5))
    said_ms = closed_ms + desk.within(5 * MINUTE_MS, 6 * HOUR_MS)
    desk.books(said_ms, "Ticket Rated", account, person, id=ticket, status="rated", rating=rating)
    desk.books(said_ms, "Survey Answered", account, person, kind="csat", score=rating, scale=5)
    ease = min(7, rating + desk.rng.choice((0, 1, 2)))
    desk.books(said_ms, "Survey Answered", account, person, kind="ces", score=ease, scale=7)
