"""Marketing: what campaigns cost, and how many people come across the product."""

from __future__ import annotations

from typing import Any, NamedTuple

from agents.company.desk import Desk
from agents.company.timeline import day_ms, use_of_day
from schemas.times import HOUR_MS


class Campaign(NamedTuple):
    name: str
    source: str
    """Where its leads come from."""
    goal: str
    type: str
    daily: int
    """Cents on a working day."""
    reach: int
    """People on a working day."""


CAMPAIGNS = (
    Campaign("search ads", "search", "acquisition", "marketing", 4_500, 900),
    Campaign("webinar", "event", "acquisition", "marketing", 2_200, 160),
    Campaign("partners", "partner", "acquisition", "sales", 1_800, 90),
    Campaign("more seats", "in product", "expansion", "marketing", 700, 60),
)


def marketing(desk: Desk) -> None:
    for day in range(desk.days):
        at_ms, growth = day_ms(day) + 7 * HOUR_MS, 1 + day / desk.days
        for campaign in CAMPAIGNS:
            share = use_of_day(day) * growth * desk.rng.uniform(0.7, 1.3)
            tags: dict[str, Any] = {"campaign": campaign.name, "source": campaign.source}
            desk.books(
                at_ms,
                "Spend Recorded",
                amount=int(campaign.daily * share),
                type=campaign.type,
                goal=campaign.goal,
                **tags,
            )
            reached = int(campaign.reach * share)
            for metric, count in (("reach", reached), ("qualified_reach", reached // 5)):
                desk.books(at_ms, "Awareness Measured", metric=metric, count=count, **tags)
        for _ in range(desk.rng.randrange(4)):
            desk.books(at_ms + desk.within(0, 12 * HOUR_MS), "Awareness Measured", metric="mention")
