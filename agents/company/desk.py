"""A department of the company: it speaks in the product, or through a system of its own."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from agents.company.accounts import Account, Person
from agents.company.incidents import LOST_DAY
from agents.company.log import Log
from agents.company.timeline import day_ms, day_of
from schemas.times import DAY_MS


class Desk:
    """Each has random numbers of its own, so that a change of one leaves the others as they are."""

    def __init__(self, name: str, seed: int, days: int, accounts: Sequence[Account]) -> None:
        self.name, self.rng = name, Random(f"{name} {seed}")
        self.log = Log(self.rng, day_ms(days))
        self.days, self.accounts = days, accounts
        self.end_ms = day_ms(days)

    def in_product(self, person: Person, at_ms: int, event: str, **properties: Any) -> None:
        """What somebody does or sees in the product, and the product tells."""
        who = {"userId": person.user, "context": {"groupId": person.account.id}}
        self.log.call(at_ms, "track", who, event=event, properties=properties)

    def books(
        self,
        at_ms: int,
        event: str,
        account: Account | None = None,
        person: Person | None = None,
        **properties: Any,
    ) -> None:
        """What a system beside the product has to say, of an account, a person or of nobody.

        On the day without tracking it waits, and says it in the first minute of the next one.
        """
        if day_of(at_ms) == LOST_DAY:
            lost_ms, minutes = day_ms(LOST_DAY), 24 * 60
            at_ms = lost_ms + DAY_MS + (at_ms - lost_ms) // minutes
        who: dict[str, Any] = {"userId": person.user if person else None}
        if account is not None:
            who["groupId"] = account.id
        self.log.call(at_ms, "track", who, system=self.name, event=event, properties=properties)

    def chance(self, of: float) -> bool:
        return self.rng.random() < of

    def within(self, start_ms: int, end_ms: int) -> int:
        """A moment in [start, end)."""
        return self.rng.randrange(start_ms, end_ms)

    def id(self, what: str) -> str:
        return f"{what}-{self.rng.getrandbits(32):08x}"
