"""A generated log of a small product, to try Headwater on before one's own events are at hand.

The product makes reports. Companies sign up, invite colleagues, create and share reports; some grow
to a team, some lose interest, one goes viral. The log is Segment's JSON, one call a line, in the
order of arrival: like a real one it has calls that arrive late or twice, visitors who become known
only when they sign in, a robot, and a member of staff who looks after customers' accounts. One seed
always gives the same bytes.

Some things go wrong on purpose, so that alerts have something to find: see `incidents`.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import orjson

from schemas.times import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, iso

START_MS = int(datetime(2025, 9, 1, tzinfo=UTC).timestamp() * 1000)
"""A Monday, and long enough ago that no clock takes the log for the future."""

DAYS = 90
ACCOUNTS = 305
WEEKEND = 0.15
"""How much of a working day's use there is on a Saturday or Sunday."""

PAGES = ("Home", "Projects", "Report", "Templates", "Settings", "Pricing")
TEMPLATES = ("blank", "weekly numbers", "board pack", "customer review")
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
VIRAL_FROM_DAY = 12
KEY_FROM_DAY, KEY_DAYS = 3, 61
KEY = Profile("key", 0.0, 18, 0.85, 0.9, (KEY_DAYS, KEY_DAYS + 1))
BROKEN_DAYS = range(49, 52)
"""A release with a fault: hardly any report can be created. Monday to Wednesday."""
STILL_WORKS = 0.1
LOST_DAY = 78
"""A Tuesday on which the tracking was down, and no call arrived."""


class Incident(NamedTuple):
    """Something that somebody should look at."""

    kind: str
    first_day: int
    """From 0."""
    last_day: int
    account: str | None
    what: str

    @property
    def started_ms(self) -> int:
        return START_MS + self.first_day * DAY_MS

    def record(self) -> dict[str, Any]:
        """For people and programs: days as dates."""
        first, last = (iso(START_MS + d * DAY_MS)[:10] for d in (self.first_day, self.last_day))
        return {
            "kind": self.kind,
            "from": first,
            "to": last,
            "account": self.account,
            "what": self.what,
        }


def incidents(days: int = DAYS) -> list[Incident]:
    """What goes wrong in a log of so many days, in the order of time."""
    planted = [
        Incident("viral", VIRAL_FROM_DAY, days - 1, "acct-001", "an account goes viral"),
        Incident(
            "broken-release", BROKEN_DAYS[0], BROKEN_DAYS[-1], None, "reports cannot be created"
        ),
        Incident(
            "churn", KEY_FROM_DAY + KEY_DAYS, days - 1, "acct-002", "a key account stays away"
        ),
        Incident("lost-tracking", LOST_DAY, LOST_DAY, None, "no call arrives for a day"),
    ]
    return [each for each in planted if each.first_day < days]


@dataclass
class Person:
    user: str
    anonymous: str
    account: Account
    skill: float
    """Chance to create a report in a session."""


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

    @property
    def has_room(self) -> bool:
        return len(self.members) + len(self.invited) < self.profile.people


class _Log:
    """The calls as they arrive: each line with the time it was received."""

    def __init__(self, rng: Random, end_ms: int) -> None:
        """`end_ms`: calls from then on are left out, so that the last day is a whole one."""
        self._rng, self._end_ms = rng, end_ms
        self._lines: list[tuple[int, bytes]] = []

    def call(self, at_ms: int, kind: str, who: dict[str, str], **fields: Any) -> None:
        """One call of the product: sent at once, or late from a device that was offline."""
        if at_ms >= self._end_ms or (at_ms - START_MS) // DAY_MS == LOST_DAY:
            return
        received_ms = at_ms + self._delay_ms()
        record = {
            "messageId": f"{self._rng.getrandbits(96):024x}",
            "type": kind,
            **fields,
            **who,
            "timestamp": iso(at_ms),
        }
        self._append(record, received_ms)
        if self._rng.random() < 0.004:
            self._append(record, received_ms + self._rng.randrange(5, 60) * SECOND_MS)

    def lines(self) -> Iterator[bytes]:
        """In the order of arrival; calls received in the same millisecond in that of making."""
        return (line for _, line in sorted(self._lines, key=lambda entry: entry[0]))

    def _append(self, record: dict[str, Any], received_ms: int) -> None:
        line = orjson.dumps({**record, "receivedAt": iso(received_ms)}) + b"\n"
        self._lines.append((received_ms, line))

    def _delay_ms(self) -> int:
        chance = self._rng.random()
        if chance < 0.003:
            return self._rng.randrange(2 * HOUR_MS, 2 * DAY_MS)
        if chance < 0.015:
            return self._rng.randrange(MINUTE_MS, 30 * MINUTE_MS)
        return self._rng.randrange(80, 2 * SECOND_MS)


class _Product:
    """The product and everybody who uses it."""

    def __init__(self, seed: int, accounts: int, days: int) -> None:
        self._rng = Random(seed)
        self._days = days
        self._log = _Log(self._rng, START_MS + days * DAY_MS)
        self._users = 0
        profiles = [self._profile() for _ in range(accounts - 2)]
        self._accounts = [self._account(i, profile) for i, profile in enumerate(profiles, start=3)]
        self._accounts.append(self._account(2, KEY, from_day=min(KEY_FROM_DAY, days - 1)))
        self._accounts.append(self._account(1, VIRAL, from_day=min(VIRAL_FROM_DAY, days - 1)))

    def run(self) -> Iterator[bytes]:
        """The lines of the whole log."""
        for day in range(self._days):
            for account in self._accounts:
                self._day_of(account, day)
            self._robot(day)
            self._staff(day)
        return self._log.lines()

    # Who there is

    def _profile(self) -> Profile:
        chance = self._rng.random()
        for profile in PROFILES:
            chance -= profile.share
            if chance < 0:
                return profile
        return PROFILES[-1]

    def _account(self, number: int, profile: Profile, from_day: int | None = None) -> Account:
        # More sign up later than earlier: the product grows.
        first = int(self._days * self._rng.random() ** 0.8) if from_day is None else from_day
        last = self._days
        if profile.days is not None:
            last = first + self._rng.randrange(*profile.days)
        name = f"{self._rng.choice(FIRST_WORDS)} {self._rng.choice(SECOND_WORDS)}"
        return Account(
            id=f"acct-{number:03d}",
            name=name,
            plan=self._rng.choice(PLANS),
            profile=profile,
            from_day=first,
            until_day=last,
            office_opens_ms=self._rng.choice((0, 6, 7, 8, 13, 14, 16)) * HOUR_MS,
        )

    def _person(self, account: Account) -> Person:
        self._users += 1
        skill = self._rng.choice((0.05, 0.25, 0.4, 0.55))
        person = Person(f"user-{self._users:04d}", self._visitor(), account, skill)
        account.members.append(person)
        return person

    def _visitor(self) -> str:
        return f"{self._rng.getrandbits(64):016x}"

    # What they do

    def _day_of(self, account: Account, day: int) -> None:
        if day == account.from_day:
            self._sign_up(account, day)
        if not account.from_day < day <= account.until_day:
            return
        for invitation in [each for each in account.invited if each[0] <= day]:
            account.invited.remove(invitation)
            self._accept(account, day, invitation[1])
        for person in list(account.members):
            if self._rng.random() < account.profile.daily_use * _use_of_day(day):
                self._session(person, day)

    def _sign_up(self, account: Account, day: int) -> None:
        """A visitor looks around, signs up and becomes the first member of a new account."""
        founder = self._person(account)
        now = self._office_hour(account, day)
        for page in ("Home", "Pricing", "Home")[: self._rng.randrange(1, 4)]:
            self._log.call(now, "page", {"anonymousId": founder.anonymous}, name=page)
            now += self._pause()
        self._become_known(founder, founder.anonymous, now, role="admin")
        now += SECOND_MS
        self._track(founder, now, "Signed Up", {"plan": account.plan})
        now += SECOND_MS
        traits = {"name": account.name, "plan": account.plan}
        who = {"userId": founder.user, "groupId": account.id}
        self._log.call(now, "group", who, traits=traits)
        self._use(founder, now + self._pause())

    def _accept(self, account: Account, day: int, invitation: str) -> None:
        person = self._person(account)
        now = self._office_hour(account, day)
        self._log.call(now, "page", {"anonymousId": person.anonymous}, name="Invitation")
        now += self._pause()
        self._become_known(person, person.anonymous, now, role="member")
        self._track(person, now + SECOND_MS, "Invite Accepted", {"invitation": invitation})
        self._use(person, now + self._pause())

    def _session(self, person: Person, day: int) -> None:
        now = self._office_hour(person.account, day)
        if self._rng.random() < 0.04:
            # A second device: somebody unknown, until the person signs in there too.
            device = self._visitor()
            self._log.call(now, "page", {"anonymousId": device}, name="Home")
            now += self._pause()
            self._become_known(person, device, now)
            now += SECOND_MS
        self._use(person, now)

    def _use(self, person: Person, start_ms: int) -> None:
        """One sitting; its first call tells how long it was, as the product knows at its end."""
        now = start_ms
        for _ in range(self._rng.randrange(1, 5)):
            now += self._pause()
            page = {"path": f"/{self._rng.randrange(1, 400)}"}
            who = self._known(person)
            self._log.call(now, "page", who, name=self._rng.choice(PAGES), properties=page)
        if self._rng.random() < 0.12:
            now += self._pause()
            self._track(person, now, "Project Created", {})
        broken = (now - START_MS) // DAY_MS in BROKEN_DAYS
        if self._rng.random() < person.skill * (STILL_WORKS if broken else 1.0):
            now = self._report(person, now + self._pause())
        account = person.account
        if account.has_room and self._rng.random() < account.profile.invites:
            now += self._pause()
            self._invite(person, now)
        self._track(person, start_ms, "Session Started", {"durationMs": now - start_ms})

    def _report(self, person: Person, at_ms: int) -> int:
        """Creates a report, maybe shares it; returns when that was done."""
        report = {
            "template": self._rng.choice(TEMPLATES),
            "kind": self._rng.choice(("pdf", "web", "web")),
        }
        self._track(person, at_ms, "Report Created", report)
        if self._rng.random() < 0.4:
            at_ms += self._pause()
            recipients = self._rng.randrange(1, 9)
            self._track(person, at_ms, "Report Shared", {**report, "recipients": recipients})
        return at_ms

    def _invite(self, person: Person, at_ms: int) -> None:
        invitation = f"inv-{self._rng.getrandbits(32):08x}"
        self._track(person, at_ms, "Invite Sent", {"invitation": invitation})
        if self._rng.random() < 0.8:
            sent_on = (at_ms - START_MS) // DAY_MS
            accepted_on = sent_on + self._rng.randrange(1, 5)
            person.account.invited.append((accepted_on, invitation))

    def _robot(self, day: int) -> None:
        """A monitor that opens the home page every day and says that it is one."""
        at_ms = START_MS + day * DAY_MS + 3 * HOUR_MS
        who = {"anonymousId": "uptime-monitor"}
        self._log.call(at_ms, "page", who, name="Home", properties={"isRobot": True})

    def _staff(self, day: int) -> None:
        """A colleague of the product's own company, at work in a customer's account."""
        living = [each for each in self._accounts if each.from_day < day <= each.until_day]
        if not living or _use_of_day(day) < 1:
            return
        colleague = Person("staff-0001", "staff-laptop", self._rng.choice(living), 0.3)
        now = self._office_hour(colleague.account, day)
        self._become_known(colleague, colleague.anonymous, now, internal=True)
        self._use(colleague, now + SECOND_MS)

    def _track(self, person: Person, at_ms: int, event: str, properties: dict[str, Any]) -> None:
        self._log.call(at_ms, "track", self._known(person), event=event, properties=properties)

    def _become_known(self, person: Person, device: str, at_ms: int, **traits: Any) -> None:
        who = {"userId": person.user, "anonymousId": device}
        self._log.call(at_ms, "identify", who, traits=traits)

    def _known(self, person: Person) -> dict[str, Any]:
        return {"userId": person.user, "context": {"groupId": person.account.id}}

    def _office_hour(self, account: Account, day: int) -> int:
        """A moment of that account's working day, which may end on the next day of UTC."""
        into_day = account.office_opens_ms + int(9 * HOUR_MS * self._rng.random())
        return START_MS + day * DAY_MS + into_day

    def _pause(self) -> int:
        return self._rng.randrange(5 * SECOND_MS, 4 * MINUTE_MS)


def sample_lines(seed: int = 7, accounts: int = ACCOUNTS, days: int = DAYS) -> Iterator[bytes]:
    """The log's lines, each a JSON object and a line feed; about 45,000 with the defaults."""
    return _Product(seed, accounts, days).run()


def write_sample(
    path: Path | str, seed: int = 7, accounts: int = ACCOUNTS, days: int = DAYS
) -> int:
    """Write the log to a file, compressed if its name ends in .gz; returns the number of events."""
    lines = list(sample_lines(seed, accounts, days))
    write_lines(path, lines)
    return len(lines)


def write_lines(path: Path | str, lines: Iterable[bytes]) -> None:
    """Write lines to a file, compressed if its name ends in .gz."""
    content = b"".join(lines)
    if Path(path).suffix == ".gz":
        # Without the time of writing, so that the same log is the same bytes.
        content = gzip.compress(content, mtime=0)
    Path(path).write_bytes(content)


def _use_of_day(day: int) -> float:
    return WEEKEND if day % 7 >= 5 else 1.0
