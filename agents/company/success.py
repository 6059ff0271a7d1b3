"""What people see and say in the product: roles, an experiment, guides, surveys and referrals."""

from __future__ import annotations

from agents.company.accounts import Person
from agents.company.desk import Desk
from agents.company.incidents import BROKEN_DAYS, KEY_DAYS, KEY_FROM_DAY
from agents.company.timeline import day_ms, day_of
from schemas.times import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS

ROLES = ("analyst", "analyst", "manager", "founder", "consultant")
GUIDE, PROMPT = "first report", "invite a friend"
ASKED_AFTER_MS, ASKED_AGAIN_MS = 10 * DAY_MS, 30 * DAY_MS
"""NPS: so long after the first report, and again."""
ANSWERS = 0.55
UNHAPPY_FROM_MS = day_ms(KEY_FROM_DAY + KEY_DAYS - 20)
REFERS_AFTER_REPORTS = 5


def success(desk: Desk) -> None:
    for account in desk.accounts:
        for person in account.members:
            _welcome(desk, person)
            _nps(desk, person)
            if len(person.reports) > REFERS_AFTER_REPORTS:
                _referral(desk, person, person.reports[REFERS_AFTER_REPORTS])
                _review(desk, person)


def _welcome(desk: Desk, person: Person) -> None:
    """Asked for a role, put into one half of the experiment, and shown how to make a report."""
    at_ms = person.joined_ms + 20 * SECOND_MS
    variant = desk.rng.choice(("checklist", "video"))
    desk.in_product(person, at_ms, "Role Changed", role=desk.rng.choice(ROLES))
    desk.in_product(
        person, at_ms, "Experiment Viewed", name="onboarding", kind="experiment", variant=variant
    )
    gets_there = bool(person.reports) and person.reports[0] < at_ms + 3 * DAY_MS
    _guide(desk, person, at_ms + 10 * SECOND_MS, GUIDE, "guide", 0.7 if gets_there else 0.25)


def _guide(desk: Desk, person: Person, at_ms: int, guide: str, kind: str, clicked: float) -> bool:
    """Shown; most look at it. True if they did what it offers."""
    tags = {"guide": guide, "kind": kind}
    desk.in_product(person, at_ms, "Guide Shown", status="shown", **tags)
    if not desk.chance(0.75):
        return False
    desk.in_product(person, at_ms + 2 * SECOND_MS, "Guide Viewed", status="viewed", **tags)
    does_it = desk.chance(clicked)
    event, status = (
        ("Guide Clicked", "cta_clicked") if does_it else ("Guide Dismissed", "dismissed")
    )
    desk.in_product(person, at_ms + 9 * SECOND_MS, event, status=status, **tags)
    return does_it


def _nps(desk: Desk, person: Person) -> None:
    asked_ms = person.first_sitting_after(person.joined_ms + ASKED_AFTER_MS)
    while asked_ms is not None and asked_ms < desk.end_ms:
        if desk.chance(ANSWERS):
            at_ms = asked_ms + MINUTE_MS
            score = _score(desk, person, at_ms)
            desk.in_product(person, at_ms, "Survey Answered", kind="nps", score=score, scale=10)
        asked_ms = person.first_sitting_after(asked_ms + ASKED_AGAIN_MS)


def _score(desk: Desk, person: Person, at_ms: int) -> int:
    """Who gets to reports recommends it; not just after a bad release, nor before one leaves."""
    if person.account.is_key and at_ms > UNHAPPY_FROM_MS:
        return desk.rng.choice((0, 1, 2, 4))
    if 0 <= day_of(at_ms) - BROKEN_DAYS[0] < 10:
        return desk.rng.choice((3, 5, 6, 7, 8))
    return desk.rng.choice((7, 8, 9, 9, 10, 10) if len(person.reports) > 2 else (3, 5, 6, 7, 8, 9))


def _review(desk: Desk, person: Person) -> None:
    if desk.chance(0.15):
        at_ms = person.reports[REFERS_AFTER_REPORTS] + HOUR_MS
        stars = desk.rng.choice((3, 4, 5, 5))
        desk.books(
            at_ms, "Survey Answered", person.account, person, kind="review", score=stars, scale=5
        )


def _referral(desk: Desk, person: Person, at_ms: int) -> None:
    """Who makes reports again and again is asked to tell others; some of those come."""
    if not _guide(desk, person, at_ms + MINUTE_MS, PROMPT, "referral_prompt", 0.4):
        return
    referral, sent_ms = desk.id("ref"), at_ms + 3 * MINUTE_MS
    desk.in_product(person, sent_ms, "Referral Sent", id=referral, status="sent")
    if desk.chance(0.3):
        came_ms = sent_ms + desk.within(DAY_MS, 20 * DAY_MS)
        desk.books(
            came_ms, "Referral Converted", person.account, person, id=referral, status="converted"
        )
