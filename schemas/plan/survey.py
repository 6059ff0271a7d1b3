"""What a sample of events holds: who does what, how often, with which properties.

The numbers behind a proposed plan. They depend on the set of events only, not on their order.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import msgspec

from schemas.events import Event

SELECTABLE_TYPES = ("track", "page", "screen")
VALUES_KEPT = 64
"""A property with more different values is no dimension and no list of features."""


@dataclass
class ValueSurvey:
    """The values of one property or trait."""

    present: int = 0
    """How many events (or persons, of a trait) have it with a value other than null."""
    texts: Counter[str] = field(default_factory=Counter)
    """Texts and booleans (as `true` and `false`), the first VALUES_KEPT + 1 different ones."""
    text_count: int = 0
    bool_count: int = 0
    true_count: int = 0
    """How often it is true, as a boolean or as a text."""
    number_count: int = 0

    def add(self, value: Any) -> None:
        if value is None:
            return
        self.present += 1
        self.true_count += value is True or value == "true"
        if isinstance(value, bool):
            self.bool_count += 1
            self._count("true" if value else "false")
        elif isinstance(value, str):
            self.text_count += 1
            self._count(value)
        elif isinstance(value, int | float):
            self.number_count += 1

    def _count(self, text: str) -> None:
        if text in self.texts or len(self.texts) <= VALUES_KEPT:
            self.texts[text] += 1

    def merge(self, other: "ValueSurvey") -> None:
        self.present += other.present
        self.text_count += other.text_count
        self.bool_count += other.bool_count
        self.true_count += other.true_count
        self.number_count += other.number_count
        for text in sorted(other.texts):
            if text in self.texts or len(self.texts) <= VALUES_KEPT:
                self.texts[text] += other.texts[text]

    @property
    def different(self) -> int:
        """Different texts and booleans; VALUES_KEPT + 1 stands for more."""
        return len(self.texts)


@dataclass
class EventSurvey:
    """One event name of one type."""

    type: str
    name: str
    count: int = 0
    without_user: int = 0
    properties: dict[str, ValueSurvey] = field(default_factory=dict)
    first_ms: dict[str, int] = field(default_factory=dict)
    """Person -> their first such event."""
    opened: int = 0
    """Persons whose very first event it was."""
    median_lag_ms: float = 0.0
    """From a person's first event to their first such event."""

    @property
    def users(self) -> int:
        return len(self.first_ms)

    @property
    def opens_for(self) -> float:
        """Share of its users who began with it."""
        return self.opened / self.users if self.users else 0.0


@dataclass
class Survey:
    """A whole sample."""

    count: int = 0
    types: Counter[str] = field(default_factory=Counter)
    events: list[EventSurvey] = field(default_factory=list)
    """Most users first, then most events, then by name."""
    properties: dict[str, ValueSurvey] = field(default_factory=dict)
    traits: dict[str, ValueSurvey] = field(default_factory=dict)
    """Of persons: the last value given, by time."""
    account_traits: dict[str, ValueSurvey] = field(default_factory=dict)
    """Likewise of accounts, in group calls."""
    users: int = 0
    anonymous_users: int = 0
    described_users: int = 0
    """Persons with traits."""
    described_accounts: int = 0
    """Likewise."""
    account_users: dict[str, int] = field(default_factory=dict)
    """Account -> how many persons used the product for it."""
    with_user: int = 0
    with_account: int = 0
    selectable: int = 0
    """Events of the types that selectors select; with_user and with_account count these."""
    from_ms: int = 0
    to_ms: int = 0


def survey_events(events: Iterable[Event]) -> Survey:
    """Counts everything in one pass, then joins anonymous ids to the users they became."""
    survey = Survey()
    counting = _Counting(survey)
    for event in events:
        counting.add(event)
    counting.finish()
    return survey


_Told = tuple[int, str, Any]
"""(time, its JSON, value)"""
_Traits = dict[str, dict[str, _Told]]
"""Whose -> trait -> what was told last."""


class _Counting:
    def __init__(self, survey: Survey) -> None:
        self._survey = survey
        self._events: dict[tuple[str, str], EventSurvey] = {}
        self._rows: list[tuple[int, EventSurvey, str, str | None]] = []
        """Time, event, leaf, account."""
        self._became: dict[str, str] = {}
        """Leaf of an anonymous or former id -> leaf of the user."""
        self._traits: _Traits = {}
        """Of leaves."""
        self._account_traits: _Traits = {}

    def add(self, event: Event) -> None:
        survey = self._survey
        first = survey.count == 0
        survey.from_ms = event.time_ms if first else min(survey.from_ms, event.time_ms)
        survey.to_ms = event.time_ms if first else max(survey.to_ms, event.time_ms)
        survey.count += 1
        survey.types[event.type] += 1
        leaf = self._leaf(event)
        if event.type == "group" and event.account is not None:
            self._learn(self._account_traits, event.account, event)
        elif event.type != "group" and leaf is not None:
            self._learn(self._traits, leaf, event)
        if event.type in SELECTABLE_TYPES:
            self._add_selectable(event, leaf)

    def _leaf(self, event: Event) -> str | None:
        known = None if event.user is None else f"u:{event.user}"
        anonymous = None if event.anonymous is None else f"anon:{event.anonymous}"
        if known is None:
            return anonymous
        if anonymous is not None:
            self._become(anonymous, known)
        if event.previous is not None:
            self._become(f"anon:{event.previous}", known)
        return known

    def _become(self, former: str, known: str) -> None:
        self._became[former] = min(known, self._became.get(former, known))

    def _learn(self, traits: _Traits, whose: str, event: Event) -> None:
        for trait, value in _members(event.traits):
            _tell(traits, whose, trait, (event.time_ms, repr(value), value))

    def _add_selectable(self, event: Event, leaf: str | None) -> None:
        survey = self._survey
        key = (event.type, event.name)
        of_name = self._events.get(key)
        if of_name is None:
            of_name = self._events[key] = EventSurvey(*key)
        of_name.count += 1
        survey.selectable += 1
        survey.with_user += leaf is not None
        survey.with_account += event.account is not None
        for name, value in _members(event.properties):
            of_name.properties.setdefault(name, ValueSurvey()).add(value)
        if leaf is None:
            of_name.without_user += 1
        else:
            self._rows.append((event.time_ms, of_name, leaf, event.account))

    def finish(self) -> None:
        survey = self._survey
        users_of: dict[str, set[str]] = {}
        start: dict[str, tuple[int, str, str]] = {}
        for time_ms, of_name, leaf, account in self._rows:
            person = self._became.get(leaf, leaf)
            mine = of_name.first_ms
            mine[person] = min(time_ms, mine.get(person, time_ms))
            begun = (time_ms, of_name.name, of_name.type)
            start[person] = min(begun, start.get(person, begun))
            if account is not None:
                users_of.setdefault(account, set()).add(person)
        for of_name in self._events.values():
            lags = [ms - start[person][0] for person, ms in of_name.first_ms.items()]
            of_name.median_lag_ms = median(lags) if lags else 0.0
            opening = (of_name.name, of_name.type)
            of_name.opened = sum(start[person][1:] == opening for person in of_name.first_ms)
        survey.users = len(start)
        survey.anonymous_users = sum(person.startswith("anon:") for person in start)
        survey.account_users = {account: len(users) for account, users in users_of.items()}
        self._finish_values()

    def _finish_values(self) -> None:
        survey = self._survey
        survey.events = sorted(
            self._events.values(), key=lambda e: (-e.users, -e.count, e.name, e.type)
        )
        for of_name in survey.events:
            for name, values in of_name.properties.items():
                survey.properties.setdefault(name, ValueSurvey()).merge(values)
        for leaf, traits in list(self._traits.items()):
            person = self._became.get(leaf)
            if person is not None:
                for trait, told in traits.items():
                    _tell(self._traits, person, trait, told)
                del self._traits[leaf]
        survey.described_users = len(self._traits)
        survey.described_accounts = len(self._account_traits)
        for found, of in (
            (survey.traits, self._traits),
            (survey.account_traits, self._account_traits),
        ):
            for traits in of.values():
                for trait, (_, _, value) in traits.items():
                    found.setdefault(trait, ValueSurvey()).add(value)


def _tell(traits: _Traits, whose: str, trait: str, told: _Told) -> None:
    known = traits.setdefault(whose, {})
    if trait not in known or known[trait][:2] < told[:2]:
        known[trait] = told


def _members(raw: msgspec.Raw) -> Iterator[tuple[str, Any]]:
    """Names and values of the scalars in an undecoded object; nothing of one that is broken."""
    try:
        document = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return
    if isinstance(document, dict):
        for name, value in document.items():
            if not isinstance(value, list | dict):
                yield name, value
