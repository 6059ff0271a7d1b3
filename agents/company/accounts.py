"""The accounts: how each behaves, and who its people are."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from agents.company.incidents import (
    KEY_ACCOUNT,
    KEY_DAYS,
    KEY_FROM_DAY,
    VIRAL_ACCOUNT,
    VIRAL_FROM_DAY,
)
from schemas.times import HOUR_MS

ACCOUNTS = 305
FIRST_WORDS = ("Amber", "Birch", "Cobalt", "Delta", "Elm", "Fjord", "Granite", "Harbour")
SECOND_WORDS = ("Foundry", "Logistics", "Health", "Studio", "Energy", "Foods", "Systems", "Tours")
PLANS = ("free", "free", "trial", "trial", "team")


class Profile(NamedTuple):
    """How an account behaves."""

    name: str
    share: float
    """Of all accounts."""
    people: int
    """It stops inviting at so many members."""
    daily_use: float
    """Chance that a member comes on a working day."""
    invites: float
    """Chance of an invitation in a session, while there is room."""
    days: tuple[int, int] | None
    """It is over after between so many days; None: it stays."""


PROFILES = (
    Profile("alone", 0.34, 1, 0.25, 0.00, (2, 25)),
    Profile("steady", 0.22, 3, 0.45, 0.15, None),
    Profile("growing", 0.22, 8, 0.55, 0.30, None),
    Profile("dying", 0.22, 4, 0.50, 0.20, (8, 24)),
)
VIRAL = Profile("viral", 0.0, 30, 0.65, 0.45, None)
KEY = Profile("key", 0.0, 18, 0.85, 0.9, (KEY_DAYS, KEY_DAYS + 1))


@dataclass
class Person:
    user: str
    anonymous: str
    account: Account
    skill: float
    """Chance to create a report in a session."""
    sittings: list[int] = field(default_factory=list)
    """When each began."""
    reports: list[int] = field(default_factory=list)
    """When each was created."""

    @property
    def joined_ms(self) -> int:
        return self.sittings[0]

    def first_sitting_after(self, at_ms: int) -> int | None:
        return next((each for each in self.sittings if each > at_ms), None)


class Project(NamedTuple):
    id: str
    person: Person
    at_ms: int


class Bill(NamedTuple):
    """What an account pays from then on."""

    at_ms: int
    seats: int
    mrr: int
    """Cents; 0: it has left."""


@dataclass
class Account:
    id: str
    name: str
    plan: str
    profile: Profile
    from_day: int
    until_day: int
    office_opens_ms: int
    """UTC time of day at which its people begin to work."""
    members: list[Person] = field(default_factory=list)
    invited: list[tuple[int, str]] = field(default_factory=list)
    """Open invitations: the day each is accepted, and its id."""
    projects: list[Project] = field(default_factory=list)
    bills: list[Bill] = field(default_factory=list)

    @property
    def has_room(self) -> bool:
        return len(self.members) + len(self.invited) < self.profile.people

    @property
    def founder(self) -> Person:
        return self.members[0]

    @property
    def is_key(self) -> bool:
        return self.id == KEY_ACCOUNT

    @property
    def paying_from_ms(self) -> int | None:
        return self.bills[0].at_ms if self.bills else None

    def members_by(self, at_ms: int) -> int:
        return sum(person.joined_ms <= at_ms for person in self.members)

    def first_reports(self) -> list[int]:
        """When its people were activated, in the order of time."""
        return sorted(person.reports[0] for person in self.members if person.reports)

    def users_between(self, start_ms: int, end_ms: int) -> int:
        """People who came in [start, end)."""
        return sum(any(start_ms <= s < end_ms for s in p.sittings) for p in self.members)


def all_accounts(rng: Random, count: int, days: int) -> list[Account]:
    """The accounts that come to the product within so many days, without people yet."""
    profiles = [_profile(rng) for _ in range(count - 2)]
    accounts = [
        _account(rng, days, f"acct-{number:03d}", profile)
        for number, profile in enumerate(profiles, start=3)
    ]
    accounts.append(_account(rng, days, KEY_ACCOUNT, KEY, KEY_FROM_DAY))
    accounts.append(_account(rng, days, VIRAL_ACCOUNT, VIRAL, VIRAL_FROM_DAY))
    return accounts


def _profile(rng: Random) -> Profile:
    chance = rng.random()
    for profile in PROFILES:
        chance -= profile.share
        if chance < 0:
            return profile
    return PROFILES[-1]


def _account(
    rng: Random, days: int, id: str, profile: Profile, from_day: int | None = None
) -> Account:
    # More sign up later than earlier: the product grows.
    first = int(days * rng.random() ** 0.8) if from_day is None else min(from_day, days - 1)
    last = days
    if profile.days is not None:
        last = first + rng.randrange(*profile.days)
    name = f"{rng.choice(FIRST_WORDS)} {rng.choice(SECOND_WORDS)}"
    return Account(
        id=id,
        name=name,
        plan=rng.choice(PLANS),
        profile=profile,
        from_day=first,
        until_day=last,
        office_opens_ms=rng.choice((0, 6, 7, 8, 13, 14, 16)) * HOUR_MS,
    )
