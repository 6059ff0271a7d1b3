"""What a workload has to bring about, and with which event: what latency is measured against."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from benchmarks.generate import ACTIVATION
from benchmarks.measure.workload import Planned


class Truth(NamedTuple):
    """Numbers of events. A record's key is its account, so that an account's order is kept."""

    milestones: dict[tuple[str, int], int]
    """(account, n) -> the event with which the account has n active users."""
    activations: dict[str, int]
    """user -> the first activation."""
    active: list[int]
    """The event that makes the 1st, 2nd, ... active user of the company."""


def truth(events: Iterable[Planned], milestones: Sequence[int], first: int = 0) -> Truth:
    """`milestones`: the numbers of users at which an account gives a signal.

    `first`: the number of the first event.
    """
    found = Truth({}, {}, [])
    users: set[str] = set()
    members: dict[str, set[str]] = {}
    for n, (account, user, name) in enumerate(events, first):
        if user not in users:
            users.add(user)
            found.active.append(n)
            of_account = members.setdefault(account, set())
            of_account.add(user)
            if len(of_account) in milestones:
                found.milestones[account, len(of_account)] = n
        if name == ACTIVATION:
            found.activations.setdefault(user, n)
    return found
