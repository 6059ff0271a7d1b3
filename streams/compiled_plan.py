"""A plan compiled once, for all partitions of all stages."""

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import NamedTuple

from schemas.keyed_hash import KeyedHash
from schemas.plan.fingerprint import plan_hash
from schemas.plan.models import Plan, PseudonymsOf
from schemas.ranks import OfMembers
from schemas.row_forms.comparing import PredictionRow
from schemas.row_forms.values import RankingRow
from schemas.row_reading import begun
from schemas.rows import FactRow
from schemas.selectors import FactSelector
from streams.accounts.crowds import Crowds
from streams.accounts.entitlements import Entitlements
from streams.accounts.program import AccountProgram
from streams.accounts.stands_told import StandsTold
from streams.accounts.things_of_accounts import ThingsOfAccounts
from streams.alerting.board import Board
from streams.alerting.rules import Rules
from streams.calendar import Calendar
from streams.catalogue import Catalogue, catalogue_of
from streams.catalogue.dimensions import with_known_members
from streams.experiments import Experiments
from streams.history import ACTIVATED, NEW, History, alert_unit
from streams.ingest.pseudonyms import Pseudonyms
from streams.measures.latest_names import Asked, LatestNames, asked_names
from streams.measures.of_subjects import Measures
from streams.parts.attributed import split_by_states, split_by_traits
from streams.parts.memberships import Membership
from streams.program import SubjectProgram, rows_about


class KeyMissing(Exception):
    """The plan needs a key for hashes of ids, and there is none."""


class CompiledPlan:
    """What follows from a plan alone. Holds no state of any subject."""

    def __init__(self, plan: Plan, history: History = NEW, key: bytes | None = None) -> None:
        """`history`: of the prefix that it runs under. `key`: for hashes of ids, see KeyMissing."""
        self._key = key
        self.history = history
        self.hash = plan_hash(plan)
        self.plan = plan = with_known_members(plan)
        self.calendar = Calendar(plan.timezone, plan.week_start)
        catalogue = catalogue_of(plan)
        rows = {id: begun(row, history.since_ms) for id, row in catalogue.rows.items()}
        self.catalogue: Catalogue = catalogue._replace(rows=rows)
        self.signal_since_ms = history.since_ms.get(ACTIVATED)

    @cached_property
    def keyed(self) -> KeyedHash:
        """Raises KeyMissing."""
        if self._key is None:
            raise KeyMissing
        return KeyedHash(self._key)

    @cached_property
    def pseudonyms(self) -> Pseudonyms | None:
        """None where ids stay as they are. Raises KeyMissing."""
        if self.plan.pseudonyms == PseudonymsOf():
            return None
        return Pseudonyms(self.plan, self.keyed)

    @cached_property
    def experiments(self) -> Experiments:
        return Experiments(self.plan.experiments)

    @cached_property
    def alert_rules(self) -> Rules:
        return Rules(self.plan, self.catalogue.rows, self.calendar)

    def board(
        self,
        place: str,
        *,
        live: bool,
        bounded: bool,
        show: Callable[[str], str | None] = lambda _: None,
    ) -> Board:
        """For the alerts of one stage partition; see Board."""
        since_ms = self.history.since_ms
        rules = {rule.id: alert_unit(rule.id) for rule in self.plan.alerts.rules}
        since = {id: since_ms[unit] for id, unit in rules.items() if unit in since_ms}
        return Board(
            self.alert_rules,
            place,
            self.calendar,
            since,
            prefix=self.plan.prefix,
            live=live,
            show=show,
            horizon_days=self.plan.horizons.tally_days if bounded else None,
        )

    @cached_property
    def member_lists(self) -> list[RankingRow]:
        """The rankings of accounts that are in a membership."""
        rows = self.catalogue.rows.values()
        return [r for r in rows if isinstance(r, RankingRow) and isinstance(r.rank, OfMembers)]

    @cached_property
    def predictions(self) -> list[PredictionRow]:
        """The rows that predict what comes of accounts."""
        return [row for row in self.catalogue.rows.values() if isinstance(row, PredictionRow)]

    @cached_property
    def person(self) -> SubjectProgram:
        """The rows about users, for the company."""
        rows = rows_about("user", self.catalogue.of_persons)
        measures = Measures(self.plan, self.calendar, self.history.of_persons)
        found = SubjectProgram(
            rows,
            self.plan,
            self.calendar,
            measures,
            signals=True,
            signal_since_ms=self.signal_since_ms,
            split_by_traits=self.split_by_traits,
            stands=self.splits_users,
        )
        LatestNames(self.asked_names, measures, self.calendar)  # what these need stands there, too
        return found

    @cached_property
    def split_by_traits(self) -> list[FactRow]:
        """The rows of facts that are split by traits, or memberships, of users."""
        return split_by_traits(self.catalogue.of_company.values(), self.plan)

    @cached_property
    def splits_users(self) -> bool:
        """True if KPIs about users are split by what their accounts stand at."""
        return any(each.users for each in self.plan.segments)

    @property
    def splits_persons(self) -> bool:
        """True if KPIs about users are split by what is known of these, or of their accounts."""
        return self.splits_users or any(each.is_of_users() for each in self.plan.segments)

    @property
    def splitting(self) -> dict[str, Membership]:
        """The memberships by which KPIs about users are split, by their dimensions."""
        return self._splitting(self.person.memberships)

    @property
    def splitting_accounts(self) -> dict[str, Membership]:
        """The same of those by which accounts are split, and with `users` KPIs about users, too."""
        return self._splitting(self.member.together.memberships)

    def _splitting(self, memberships: Iterable[Membership]) -> dict[str, Membership]:
        known = {each.row.id: each for each in memberships}
        return {d.name: known[d.member] for d in self.plan.segments if d.member in known}

    @cached_property
    def asked_names(self) -> tuple[Asked, ...]:
        return asked_names(self.catalogue.of_company.values())

    @cached_property
    def names_of_person(self) -> LatestNames:
        """What accounts have to know of a person over all accounts."""
        return LatestNames(self.asked_names, self.person.measures, self.calendar)

    @cached_property
    def things(self) -> "ThingPrograms":
        """What is computed of a thing."""
        return ThingPrograms(self)

    @cached_property
    def member(self) -> "MemberPrograms":
        """What is computed of a member of an account."""
        return MemberPrograms(self)


class MemberPrograms:
    """Programs over the measures of one member of one account."""

    def __init__(self, compiled: CompiledPlan) -> None:
        catalogue, plan, calendar = compiled.catalogue, compiled.plan, compiled.calendar
        rows = catalogue.of_company
        per_account = [row for id, row in catalogue.rows.items() if id in catalogue.per_account]
        self.measures = Measures(plan, calendar, compiled.history.of_members)
        since_ms = compiled.signal_since_ms
        self.everywhere = SubjectProgram(
            rows_about("user", catalogue.of_persons),
            plan,
            calendar,
            self.measures,
            signals=True,
            signal_since_ms=since_ms,
            split_by_traits=compiled.split_by_traits,
            stands=compiled.splits_users,
        )
        """The rows about users as users has them."""
        self.latest_names = LatestNames(compiled.asked_names, self.measures, calendar)
        """What members bring to what accounts have to know of a person."""
        self.names = [
            self.measures.told_names(each.facts, each.since_ms) for each in compiled.asked_names
        ]
        """Where members have what users told of their latest names."""
        self.news = frozenset(self.everywhere.slots | self.latest_names.slots)
        """Measures that users holds too: what changes none of them is no news to users."""
        self.person = SubjectProgram(
            rows_about("user", per_account),
            plan,
            calendar,
            self.measures,
            level="account",
            signals=True,
            signal_since_ms=since_ms,
        )
        """The rows about users that are also published per account."""
        self.crowds = Crowds(self.measures)
        """What accounts know of their users one by one."""
        self.together = SubjectProgram(
            [*rows_about("account", rows.values()), *split_by_states(rows.values(), plan)],
            plan,
            calendar,
            self.measures,
            states=True,
            crowds=self.crowds,
        )
        """The rows about accounts that follow from what all their members did, taken together."""
        self.standing = SubjectProgram(
            rows_about("account", per_account), plan, calendar, self.measures, level="account"
        )
        """Those of them that are also published of each account."""
        self.entitlements = Entitlements(rows.values(), self.measures)
        """What accounts tell their users that they have."""
        self.stands_told = StandsTold(plan, calendar, self.everywhere)
        """What accounts tell their users that they stand at."""
        self.things_told = ThingsOfAccounts(rows.values(), self.measures)
        """What accounts tell the things that their facts name."""
        self.predictions = self.together.predictions(catalogue.rows.values())
        """The rows that predict what comes of accounts."""
        self.account = AccountProgram(rows.values(), plan, self.measures, calendar)
        """The rows about accounts that count their members."""
        self.together_slots = (
            self.together.slots
            | self.account.stands
            | self.standing.slots
            | self.entitlements.slots
            | self.stands_told.slots
            | self.things_told.slots
        ).union(*(each.slots for each in self.predictions))
        """Measures of all members together that are kept."""
        self.view = ViewSlots.of(plan, self.measures)
        """Measures of a member that people look at; None: nothing is kept for them."""
        self.entered = self.together.entered(self.together_slots)
        """Memberships of accounts of whose first entries something is made."""
        self.heard = self.account.slots | self.person.slots | self.crowds.slots
        """Measures of which the account hears."""


class ViewSlots(NamedTuple):
    """Places of measures that no KPI asks for, only people who look at an account."""

    events: int
    """So many of each user are kept."""
    recent: int
    roles: int
    first_uses: int

    @classmethod
    def of(cls, plan: Plan, measures: Measures) -> "ViewSlots | None":
        """Adds them to the measures of members, where the plan asks for them."""
        n = plan.account_view.recent_events
        if n == 0:
            return None
        used = FactSelector(kind=("feature", "key_task"))
        return cls(
            n,
            measures.recent(n),
            measures.timeline_by_name(FactSelector(kind="role")),
            measures.first_by_name(used),
        )


class ThingPrograms:
    """Programs over the measures of one thing: for the company, and for an account."""

    def __init__(self, compiled: CompiledPlan) -> None:
        catalogue, plan, calendar = compiled.catalogue, compiled.plan, compiled.calendar
        rows = catalogue.of_company
        per_account = [row for id, row in catalogue.rows.items() if id in catalogue.per_account]
        self.measures = Measures(plan, calendar, compiled.history.of_things)
        self.company = SubjectProgram(
            rows_about("thing", rows.values()), plan, calendar, self.measures
        )
        self.account = SubjectProgram(
            rows_about("thing", per_account), plan, calendar, self.measures, level="account"
        )
