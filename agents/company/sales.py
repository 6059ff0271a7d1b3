"""Sales: leads that become customers or nothing, and what could be sold to those who are."""

from __future__ import annotations

from typing import Any

from agents.company.accounts import Account
from agents.company.billing import TEAM
from agents.company.desk import Desk
from agents.company.marketing import CAMPAIGNS, Campaign
from agents.company.timeline import START_MS, day_ms
from schemas.times import DAY_MS, HOUR_MS, MINUTE_MS

KNOWN_BEFORE = 0.7
"""So many of the accounts were leads before they signed up."""
IDLE_LEADS = 2
"""A day, at most, that never sign up."""
YEAR = 12


def sales(desk: Desk) -> None:
    for account in desk.accounts:
        if desk.chance(KNOWN_BEFORE):
            _won(desk, account)
        _opportunities(desk, account)
    for day in range(desk.days):
        for _ in range(desk.rng.randrange(IDLE_LEADS + 1)):
            _Lead(desk, day_ms(day) + desk.within(7 * HOUR_MS, 18 * HOUR_MS)).goes_nowhere()


class _Lead:
    def __init__(self, desk: Desk, at_ms: int, account: Account | None = None) -> None:
        self._desk, self._account, self._at_ms = desk, account, at_ms
        campaign: Campaign | None = desk.rng.choice((*CAMPAIGNS[:3], CAMPAIGNS[0], None))
        seats = max(3, account.profile.people if account else desk.rng.randrange(3, 12))
        self._tags: dict[str, Any] = {
            "id": desk.id("lead"),
            "source": campaign.source if campaign else "direct",
            "potential": YEAR * seats * TEAM.seat,
        }
        if campaign is not None:
            self._tags["campaign"] = campaign.name
        self.becomes("Created", at_ms)

    def becomes(self, stage: str, at_ms: int) -> None:
        self._desk.books(at_ms, f"Lead {stage}", self._account, status=stage.lower(), **self._tags)

    def goes_nowhere(self) -> None:
        if self._desk.chance(0.3):
            self.becomes("MQL", self._at_ms + self._desk.within(DAY_MS, 9 * DAY_MS))


def _won(desk: Desk, account: Account) -> None:
    """Created some days before the sign-up, which makes it qualified for marketing."""
    signed_up_ms = account.founder.joined_ms
    lead = _Lead(desk, max(START_MS, signed_up_ms - desk.within(HOUR_MS, 7 * DAY_MS)), account)
    lead.becomes("MQL", signed_up_ms + 5 * MINUTE_MS)
    activated, paying_ms = account.first_reports(), account.paying_from_ms
    if activated:
        lead.becomes("SQL", activated[0] + desk.within(HOUR_MS, 30 * HOUR_MS))
    if paying_ms is not None:
        lead.becomes("Customer", paying_ms + 10 * MINUTE_MS)


def _opportunities(desk: Desk, account: Account) -> None:
    """Seats are offered before they are bought; some is offered in vain."""
    for before, bill in zip(account.bills, account.bills[1:], strict=False):
        if before.mrr and bill.mrr > before.mrr:
            opportunity: dict[str, Any] = {
                "id": desk.id("opp"),
                "kind": "upsell" if bill.seats - before.seats < 6 else "cross_sell",
                "addon": "seats",
                "amount": YEAR * (bill.mrr - before.mrr),
            }
            opened_ms = max(before.at_ms, bill.at_ms - desk.within(DAY_MS, 9 * DAY_MS))
            desk.books(opened_ms, "Opportunity Opened", account, status="opened", **opportunity)
            desk.books(
                bill.at_ms, "Opportunity Converted", account, status="converted", **opportunity
            )
    activated = account.first_reports()
    if len(activated) >= 3 and account.bills and desk.chance(0.6):
        in_vain: dict[str, Any] = {
            "id": desk.id("opp"),
            "kind": "cross_sell",
            "addon": "audit log",
            "amount": YEAR * account.bills[0].mrr // 2,
        }
        opened_ms = max(activated[2], account.bills[0].at_ms) + desk.within(DAY_MS, 5 * DAY_MS)
        desk.books(opened_ms, "Opportunity Opened", account, status="opened", **in_vain)
        lost_ms = opened_ms + desk.within(8 * DAY_MS, 25 * DAY_MS)
        desk.books(lost_ms, "Opportunity Lost", account, status="lost", **in_vain)
