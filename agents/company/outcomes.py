"""What the product is good for: time that reports save, what they earn, projects that get done."""

from __future__ import annotations

from agents.company.accounts import Account, Person, Project
from agents.company.desk import Desk
from schemas.times import DAY_MS, MINUTE_MS, SECOND_MS

SAYS_WHAT_IT_SAVED, SAYS_WHAT_IT_EARNED, CLIENT_ANSWERS = 0.2, 0.03, 0.04
"""Of a report."""
DONE = 0.7
"""Of the projects."""
BUDGET = 40_000


def outcomes(desk: Desk) -> None:
    for account in desk.accounts:
        for person in account.members:
            for report_ms in person.reports:
                _report(desk, person, report_ms)
        for project in account.projects:
            _project(desk, account, project)


def _report(desk: Desk, person: Person, at_ms: int) -> None:
    feature = desk.rng.choice(("templates", "pdf"))
    if desk.chance(SAYS_WHAT_IT_SAVED):
        seconds = desk.rng.randrange(15, 120) * 60
        desk.in_product(
            person,
            at_ms + MINUTE_MS,
            "Outcome Reported",
            outcome="time_saved",
            amount=seconds,
            feature=feature,
        )
    if desk.chance(SAYS_WHAT_IT_EARNED):
        cents = desk.rng.randrange(20, 400) * 100
        desk.in_product(
            person,
            at_ms + 2 * MINUTE_MS,
            "Outcome Reported",
            outcome="revenue_generated",
            amount=cents,
            feature=feature,
        )
    if desk.chance(CLIENT_ANSWERS):
        score = desk.rng.choice((3, 4, 4, 5, 5))
        desk.books(
            at_ms + DAY_MS, "Survey Answered", person.account, kind="client", score=score, scale=5
        )


def _project(desk: Desk, account: Account, project: Project) -> None:
    """Somebody of the account closes it in a later sitting, if anybody comes."""
    closes_ms = project.at_ms + desk.within(2 * DAY_MS, 24 * DAY_MS)
    sittings = [
        (at_ms, person)
        for person in account.members
        if (at_ms := person.first_sitting_after(closes_ms)) is not None
    ]
    if not sittings or not desk.chance(DONE):
        return
    at_ms, person = min(sittings, key=lambda sitting: sitting[0])
    cost = int(BUDGET * desk.rng.uniform(0.6, 1.3))
    desk.in_product(
        person,
        at_ms + 30 * SECOND_MS,
        "Project Completed",
        id=project.id,
        status="completed",
        budget=BUDGET,
        cost=cost,
    )
