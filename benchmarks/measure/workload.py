"""The events of a live product: Segment's track calls as benchmarks/generate.py makes them, now.

A fixed population uses the product, and one event in `newcomer_every` is the first of a new user,
who activates with it; three newcomers make a new account. So signals never cease. The sequence of
who does what is the same in every process; times are given from outside.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import NamedTuple

import orjson

from benchmarks.generate import ACCOUNTS, ACTIVATION, EVENT_NAMES, USERS
from schemas.times import iso

USERS_PER_ACCOUNT = USERS // ACCOUNTS
NEWCOMERS_PER_ACCOUNT = 3
PATHS = 1000
_ID_STEP = 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835
_ID_MASK = (1 << 128) - 1
"""Multiples of an odd number differ, look random, and compress as badly as what is random."""


class Planned(NamedTuple):
    """Who does what; `account` is the record's key."""

    account: str
    user: str
    name: str


@dataclass(frozen=True)
class Workload:
    """`newcomer_every` 0: the population stays as it is."""

    newcomer_every: int = 10
    newcomers_in_turns_of: int = 0
    """Newcomers come among so many events, and among as many there are none; 0: they always do."""
    users: int = USERS
    seed: int = 7

    def introduction(self) -> Iterator[Planned]:
        """Each of the population once, activating, as if they had been there before.

        A population that appears at once, in the first seconds, is nobody's product: nearly all of
        its first events are news, and their backlog would be what is measured.
        """
        for number in range(self.users):
            yield Planned(self._account(number), f"user-{number}", ACTIVATION)

    def _account(self, number: int) -> str:
        return f"acct-{number % (self.users // USERS_PER_ACCOUNT)}"

    def is_their_turn(self, n: int) -> bool:
        turn = self.newcomers_in_turns_of
        return not turn or n // turn % 2 == 0

    def events(self) -> Iterator[Planned]:
        """Without end."""
        rng = Random(self.seed)
        newcomers = 0
        for n in count():
            if self.newcomer_every and n % self.newcomer_every == 0 and self.is_their_turn(n):
                account = f"new-acct-{newcomers // NEWCOMERS_PER_ACCOUNT}"
                yield Planned(account, f"new-user-{newcomers}", ACTIVATION)
                newcomers += 1
            else:
                number = int(rng.random() * self.users)
                name = EVENT_NAMES[int(rng.random() * len(EVENT_NAMES))]
                yield Planned(self._account(number), f"user-{number}", name)


def message_number(n: int) -> int:
    """The message id of the n-th event, as a number."""
    return n * _ID_STEP & _ID_MASK


def line(n: int, event: Planned, time_ms: int) -> bytes:
    """The record of the n-th event: a Segment call of about 290 bytes."""
    return _TEMPLATE % (
        message_number(n),
        event.name.encode(),
        event.user.encode(),
        event.account.encode(),
        iso(time_ms).encode(),
        n % PATHS,
    )


_TEMPLATE = (
    orjson.dumps(
        {
            "messageId": "ID",
            "type": "track",
            "event": "EVENT",
            "userId": "USER",
            "context": {
                "groupId": "ACCOUNT",
                "library": {"name": "analytics.js", "version": "5.2.0"},
            },
            "timestamp": "TIME",
            "properties": {"plan": "trial", "path": "/projects/PATH", "seats": 12},
        }
    )
    .replace(b"ID", b"%032x", 1)
    .replace(b"EVENT", b"%b")
    .replace(b"USER", b"%b")
    .replace(b"ACCOUNT", b"%b")
    .replace(b"TIME", b"%b")
    .replace(b"PATH", b"%d")
)
"""Formatting is ten times as fast as JSON: the generator shares two cores with what it measures."""
