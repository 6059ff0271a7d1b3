"""Billing: trials, plans with seats, what accounts pay, and what they cost.

Who gets to reports pays; who grows buys seats; who no longer comes leaves at the next bill.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from agents.company.accounts import VIRAL, Account, Bill
from agents.company.desk import Desk
from agents.company.incidents import BROKEN_DAYS
from agents.company.timeline import day_ms, use_of_day
from schemas.times import DAY_MS, HOUR_MS, MINUTE_MS

TRIAL_MS = 14 * DAY_MS
MONTH_MS = 30 * DAY_MS
GIVES_UP_MS = 10 * DAY_MS
"""Who has not come for so long before a bill leaves."""
CARD_FAILS, BUYS_AHEAD = 0.08, 0.3
FREE_SEATS, TRIAL_SEATS, SEATS_AT_ONCE = 3, 10, 3
TRAINING = 25_000
DAILY_SERVING, SERVING_OF_A_MEMBER = 1_200, 4


class Offer(NamedTuple):
    plan: str
    from_seats: int
    seat: int
    """Cents a month."""


TEAM = Offer("team", 0, 1_500)
OFFERS = (Offer("enterprise", 15, 2_900), Offer("business", 9, 1_900), TEAM)


def billing(desk: Desk) -> None:
    for account in desk.accounts:
        _Customer(desk, account).live()
    for day in range(desk.days):
        members = sum(account.members_by(day_ms(day)) for account in desk.accounts)
        amount = int(DAILY_SERVING + SERVING_OF_A_MEMBER * members * use_of_day(day))
        desk.books(day_ms(day) + 23 * HOUR_MS, "Cost Recorded", amount=amount, type="serving")


class _Customer:
    def __init__(self, desk: Desk, account: Account) -> None:
        self._desk, self._account = desk, account
        self._is_safe = account.is_key or account.profile is VIRAL

    def live(self) -> None:
        """From the sign-up to the last bill."""
        starts_ms = self._account.founder.joined_ms + MINUTE_MS
        if self._is_safe or self._account.plan == "trial":
            buys_ms = self._trial(starts_ms)
        elif self._account.plan == "free":
            buys_ms = self._free(starts_ms)
        else:
            buys_ms = self._team(starts_ms)
        if buys_ms is not None and buys_ms < self._desk.end_ms:
            self._pay(buys_ms)

    def _trial(self, starts_ms: int) -> int | None:
        """When it buys."""
        desk, account = self._desk, self._account
        ends_ms = starts_ms + TRIAL_MS
        desk.books(starts_ms, "Trial Started", account, status="started")
        self._plan(starts_ms, "trial", plan=TEAM.plan, seat_limit=TRIAL_SEATS)
        activated = [at for at in account.first_reports() if at < ends_ms]
        chance = 1.0 if self._is_safe else (0.03, 0.45, 0.8)[min(len(activated), 2)]
        buys = desk.chance(chance) and self._is_there(ends_ms)
        if buys:
            ends_ms = desk.within(max([starts_ms + 5 * DAY_MS, *activated[:2]]), ends_ms) + HOUR_MS
        desk.books(ends_ms, "Trial Ended", account, status="ended")
        if buys:
            return ends_ms + MINUTE_MS
        if desk.chance(0.6):
            return self._free(ends_ms + MINUTE_MS)
        self._plan(ends_ms + MINUTE_MS, "ended")
        return None

    def _free(self, starts_ms: int) -> int | None:
        """When it has had enough of the free plan: mostly once two people get to reports."""
        self._plan(starts_ms, "free", plan="free", seat_limit=FREE_SEATS)
        activated = self._account.first_reports()
        buys_ms = None
        if len(activated) >= 2 and self._desk.chance(0.55):
            buys_ms = max(activated[1], starts_ms) + self._desk.within(DAY_MS, 6 * DAY_MS)
        elif activated and self._desk.chance(0.08):
            buys_ms = max(activated[0], starts_ms) + self._desk.within(5 * DAY_MS, 20 * DAY_MS)
        return buys_ms if buys_ms is not None and self._is_there(buys_ms) else None

    def _team(self, starts_ms: int) -> int | None:
        """It came for the paid plan, and pays with its first report."""
        activated = self._account.first_reports()
        if activated and self._is_there(activated[0]):
            return activated[0] + MINUTE_MS
        return self._free(starts_ms)

    def _is_there(self, at_ms: int) -> bool:
        """Nobody pays for what is about to be of no use any more."""
        return self._account.users_between(at_ms + 3 * DAY_MS, at_ms + 12 * DAY_MS) > 0

    def _pay(self, at_ms: int) -> None:
        """Month by month, until it leaves; new members need seats between the bills."""
        desk, account = self._desk, self._account
        seats = _seats_for(account.members_by(at_ms))
        if desk.chance(BUYS_AHEAD):
            seats += SEATS_AT_ONCE
        self._buy(at_ms, seats, "new")
        if seats > SEATS_AT_ONCE:
            desk.books(
                at_ms + HOUR_MS, "Payment Received", account, amount=TRAINING, type="one_off"
            )
        while at_ms < desk.end_ms:
            desk.books(
                at_ms + MINUTE_MS,
                "Payment Received",
                account,
                amount=account.bills[-1].mrr,
                type="recurring",
            )
            next_ms = at_ms + MONTH_MS
            seats = self._grow(at_ms, next_ms, seats)
            if not account.users_between(next_ms - GIVES_UP_MS, next_ms):
                self._leave(next_ms)
                return
            needed = _seats_for(account.users_between(next_ms - GIVES_UP_MS, next_ms))
            if desk.chance(CARD_FAILS):
                self._leave(next_ms)
                next_ms += desk.within(4 * DAY_MS, 10 * DAY_MS)
                self._buy(next_ms, seats, "reactivation")
            elif needed < seats and desk.chance(0.5):
                seats = needed
                self._buy(next_ms, seats, "contraction")
            self._credit(at_ms, next_ms)
            at_ms = next_ms

    def _grow(self, start_ms: int, end_ms: int, seats: int) -> int:
        """Buys seats as people join; returns how many there are at the end."""
        for joined_ms in sorted(person.joined_ms for person in self._account.members):
            needed = _seats_for(self._account.members_by(joined_ms))
            if start_ms < joined_ms < end_ms and needed > seats:
                seats = needed
                self._buy(joined_ms + 2 * HOUR_MS, seats, "seats")
        return seats

    def _credit(self, start_ms: int, end_ms: int) -> None:
        """Large customers get something back for days on which nothing worked."""
        bill, back_ms = self._account.bills[-1], day_ms(BROKEN_DAYS[-1] + 3) + 10 * HOUR_MS
        if start_ms <= back_ms < end_ms and bill.mrr > bill.seats * TEAM.seat:
            back = -bill.mrr * len(BROKEN_DAYS) // 30
            self._desk.books(
                back_ms, "Payment Received", self._account, amount=back, type="recurring"
            )

    def _buy(self, at_ms: int, seats: int, kind: str) -> None:
        offer = next(each for each in OFFERS if seats >= each.from_seats)
        bill = Bill(at_ms, seats, seats * offer.seat)
        self._account.bills.append(bill)
        self._plan(at_ms, "paid", plan=offer.plan, seat_limit=seats, mrr=bill.mrr, kind=kind)

    def _leave(self, at_ms: int) -> None:
        self._account.bills.append(Bill(at_ms, 0, 0))
        self._plan(at_ms, "ended", mrr=0, kind="churn")

    def _plan(self, at_ms: int, tier: str, **more: Any) -> None:
        self._desk.books(at_ms, "Plan Changed", self._account, tier=tier, **more)


def _seats_for(people: int) -> int:
    """Seats are sold three at a time."""
    return max(1, -(-people // SEATS_AT_ONCE)) * SEATS_AT_ONCE
