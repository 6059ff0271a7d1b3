"""The product and everybody who uses it: the calls that its pages and servers send."""

from __future__ import annotations

from random import Random
from typing import Any

from agents.company.accounts import Account, Person, Project
from agents.company.incidents import BROKEN_DAYS, STILL_WORKS
from agents.company.log import Log
from agents.company.timeline import day_ms, day_of, use_of_day
from schemas.times import HOUR_MS, MINUTE_MS, SECOND_MS

PAGES = ("Home", "Projects", "Report", "Templates", "Settings", "Pricing")
TEMPLATES = ("blank", "weekly numbers", "board pack", "customer review")


class Product:
    """The product and everybody who uses it."""

    def __init__(self, rng: Random, log: Log, accounts: list[Account]) -> None:
        self._rng, self._log, self._accounts = rng, log, accounts
        self._users = self._projects = 0

    def run(self, days: int) -> None:
        """Writes the calls of so many days to the log."""
        for day in range(days):
            for account in self._accounts:
                self._day_of(account, day)
            self._robot(day)
            self._staff(day)

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
            if self._rng.random() < account.profile.daily_use * use_of_day(day):
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
        person.sittings.append(start_ms)
        now = start_ms
        for _ in range(self._rng.randrange(1, 5)):
            now += self._pause()
            page = {"path": f"/{self._rng.randrange(1, 400)}"}
            who = self._known(person)
            self._log.call(now, "page", who, name=self._rng.choice(PAGES), properties=page)
        if self._rng.random() < 0.12:
            now += self._pause()
            self._project(person, now)
        broken = day_of(now) in BROKEN_DAYS
        if self._rng.random() < person.skill * (STILL_WORKS if broken else 1.0):
            now = self._report(person, now + self._pause())
        account = person.account
        if account.has_room and self._rng.random() < account.profile.invites:
            now += self._pause()
            self._invite(person, now)
        self._track(person, start_ms, "Session Started", {"durationMs": now - start_ms})

    def _project(self, person: Person, at_ms: int) -> None:
        self._projects += 1
        project = Project(f"proj-{self._projects:04d}", person, at_ms)
        person.account.projects.append(project)
        self._track(person, at_ms, "Project Created", {"id": project.id, "status": "started"})

    def _report(self, person: Person, at_ms: int) -> int:
        """Creates a report, maybe shares it; returns when that was done."""
        report = {
            "template": self._rng.choice(TEMPLATES),
            "kind": self._rng.choice(("pdf", "web", "web")),
        }
        self._track(person, at_ms, "Report Created", report)
        person.reports.append(at_ms)
        if self._rng.random() < 0.4:
            at_ms += self._pause()
            recipients = self._rng.randrange(1, 9)
            self._track(person, at_ms, "Report Shared", {**report, "recipients": recipients})
        return at_ms

    def _invite(self, person: Person, at_ms: int) -> None:
        invitation = f"inv-{self._rng.getrandbits(32):08x}"
        self._track(person, at_ms, "Invite Sent", {"invitation": invitation})
        if self._rng.random() < 0.8:
            accepted_on = day_of(at_ms) + self._rng.randrange(1, 5)
            person.account.invited.append((accepted_on, invitation))

    def _robot(self, day: int) -> None:
        """A monitor that opens the home page every day and says that it is one."""
        at_ms = day_ms(day) + 3 * HOUR_MS
        who = {"anonymousId": "uptime-monitor"}
        self._log.call(at_ms, "page", who, name="Home", properties={"isRobot": True})

    def _staff(self, day: int) -> None:
        """A colleague of the product's own company, at work in a customer's account."""
        living = [each for each in self._accounts if each.from_day < day <= each.until_day]
        if not living or use_of_day(day) < 1:
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
        return day_ms(day) + into_day

    def _pause(self) -> int:
        return self._rng.randrange(5 * SECOND_MS, 4 * MINUTE_MS)
