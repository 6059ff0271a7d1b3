"""The alerts of all subjects of a stage partition: what stands, and what was told of it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from functools import partial
from typing import Any, Protocol

from schemas.experiments import EXPERIMENTS
from schemas.outputs import ALERTS, Alert, Signal, alert_record
from schemas.plan.models import AlertRule, Watch
from schemas.times import parse_iso
from streams.alerting.course import Course
from streams.alerting.identity import identity
from streams.alerting.rules import (
    ACCOUNT,
    COMPANY,
    PREDICTION,
    USER,
    Rule,
    Rules,
    Series,
    signal_content,
)
from streams.alerting.standing import FIRING, Standing, Told, capped, changes
from streams.calendar import Calendar
from streams.stage import Flushed, Outgoing
from streams.state_keys import ALERTS as ALERTS_RECORD
from streams.state_keys import ALERTS_OF_PREDICTIONS, state_key, state_value

_EVER = -(1 << 62)
Evidence = Callable[[str], Mapping[str, Any]]
"""What is known of a subject beside its values."""


class Values(Protocol):
    """The values of one subject, as they are now."""

    def first_index(self, series: Series, period: str) -> int | None:
        """The first that is known; None: none is."""
        ...

    def exact(self, series: Series, period: str, index: int) -> Fraction | None: ...


class Subject:
    """What is known of one subject; '' is the company."""

    __slots__ = ("courses", "signals", "told")

    def __init__(self) -> None:
        self.courses: dict[str, Course] = {}
        self.signals: dict[str, Standing] = {}
        """Signals that stand and that a rule is about, by rule and id."""
        self.told: dict[str, Told] = {}

    def forget(self, before_ms: int) -> bool:
        """Forgets alerts of before a time that are over; True if there were some."""
        if before_ms == _EVER:
            return False
        over = [id for id, each in self.told.items() if each.is_over and each.at_ms < before_ms]
        for id in over:
            del self.told[id]
        for place in [place for place, each in self.signals.items() if each.at_ms < before_ms]:
            del self.signals[place]
        return bool(over)


class Board:
    """Keeps rules at work on values and signals."""

    def __init__(
        self,
        rules: Rules,
        place: str,
        calendar: Calendar,
        since_ms: Mapping[str, int],
        *,
        prefix: str,
        live: bool,
        show: Callable[[str], str | None],
        horizon_days: int | None,
    ) -> None:
        """`place`: whose values are judged, see rules.py. `since_ms`: rule -> from when on it
        counts, where that is not the first event.

        `live` False: nothing is ever late. `show`: what a subject is called outside.
        `horizon_days`: what lies further behind the watermark stays as it was told, and is
        forgotten once it is over; None: nothing does.
        """
        self._horizon_days = horizon_days
        self._rules = rules.of_place[place]
        self._remembers = place == PREDICTION
        """True: values do not change and cannot be read again, so it is saved how far rules are."""
        self._sweeps = place in (COMPANY, ACCOUNT)
        """True: whenever a period is closed all subjects are looked at; else those with news."""
        self._record = ALERTS_OF_PREDICTIONS if self._remembers else ALERTS_RECORD
        self._on_signals: dict[str, list[AlertRule]] = {}
        for rule in rules.on_signals:
            self._on_signals.setdefault(rule.signal or "", []).append(rule)
        self._cooldown_ms = {rule.id: rule.cooldown_ms for rule in rules.on_signals}
        self._settings, self._calendar = rules.settings, calendar
        self._level = ACCOUNT if place == PREDICTION else place
        self._since_ms, self._show = since_ms, show
        self._prefix, self._live = prefix, live
        self._identity = {
            rule.id: identity(rule)
            for rule in (*(each.plan for each in self._rules), *rules.on_signals)
        }
        self._reading: dict[str, list[Rule]] = {}
        for rule_on_values in self._rules:
            for kpi in {series.kpi for series in rule_on_values.reads}:
                self._reading.setdefault(kpi, []).append(rule_on_values)
        self._closed: dict[str, int] = {}
        self._subjects: dict[str, Subject] = {}
        self._touched: set[str] = set()
        self._unsaved: set[str] = set()
        """Subjects with other signals, or other courses to be kept, than were saved."""
        self._waiting: set[str] = set()
        """Subjects that were saved for waiting; nobody else would look at them again."""
        self.held_back = 0
        """Subjects whose alerts wait until the pipeline has caught up."""

    @property
    def rules(self) -> Iterator[AlertRule]:
        """Those that are at work here; one on signals may be at work in several stages."""
        yield from (rule.plan for rule in self._rules)
        for rules in self._on_signals.values():
            yield from rules

    @property
    def watches_values(self) -> bool:
        return bool(self._rules)

    # ---- what is new

    def hear_value(self, subject: str, kpi: str, index: int, period: str) -> None:
        """Says that a value has changed."""
        for rule in self._reading.get(kpi, ()):
            if rule.period == period:
                course = self._subject(subject).courses.get(rule.plan.id)
                if course is not None:
                    course.rewind(index)
                self._touched.add(subject)
                if self._remembers:
                    self._unsaved.add(subject)

    def hear_signal(self, subject: str, signal: Signal) -> None:
        """Takes a signal, or that it is retracted."""
        for rule in self._on_signals.get(signal.signal, ()):
            if rule.variant is not None and rule.variant != signal.variant:
                continue
            signals = self._subject(subject).signals
            key = f"{rule.id} {signal.id}"
            if signal.retracted:
                signals.pop(key, None)
            else:
                signals[key] = Standing(
                    rule.id,
                    self._level,
                    signal.user if self._level == "user" else signal.account,
                    "all",
                    signal.account,
                    signal.user,
                    signal.at_ms,
                    None,
                    signal_content(rule, signal, self._settings.link),
                )
            self._touched.add(subject)
            self._unsaved.add(subject)

    def _subject(self, key: str) -> Subject:
        subject = self._subjects.get(key)
        if subject is None:
            subject = self._subjects[key] = Subject()
        return subject

    def closes(self, watermark_ms: int | None) -> bool:
        """True if the watermark has closed a period of a rule since the last call.

        Then every subject with values is to be looked at.
        """
        if watermark_ms is None:
            return False
        moved = False
        for rule in self._rules:
            known = self._closed.get(rule.plan.id)
            closed = rule.closed(watermark_ms, known)
            moved = moved or self._closed.get(rule.plan.id) != closed
            self._closed[rule.plan.id] = closed
        return moved

    def firing(self, subject: str) -> list[dict[str, Any]]:
        """What was said last of the alerts of a subject that are firing."""
        told = self._subjects[subject].told.values() if subject in self._subjects else ()
        return [each.last for each in told if each.state == FIRING]

    @property
    def subjects(self) -> Iterable[str]:
        """Those of which something is known."""
        return self._subjects.keys()

    def without_user(self, subject: str, user: str) -> list[tuple[bytes, bytes | None]]:
        """Takes the name of a user out of what was told of a subject; its record if that names it.

        What stood for the user does not stand any more.
        """
        return self._without(subject, "user", user)

    def without_account(self, account: str) -> list[tuple[bytes, bytes | None]]:
        """The same of an account, and of all subjects."""
        found = (self._without(subject, "account", account) for subject in list(self._subjects))
        return [record for records in found for record in records]

    def _without(self, subject: str, kind: str, name: str) -> list[tuple[bytes, bytes | None]]:
        known = self._subjects.get(subject)
        if known is None:
            return []
        told = {
            id: each._replace(last=_without(each.last, kind, name))
            for id, each in known.told.items()
        }
        if told == known.told:
            return []
        known.told = told
        return [self._saved(subject)]

    def drop(self, subject: str) -> None:
        """Lets nothing stand of a subject any more."""
        known = self._subject(subject)
        known.courses.clear()
        known.signals.clear()
        self._touched.add(subject)
        self._unsaved.add(subject)

    def dropped(self) -> Iterator[str]:
        """Subjects of which nothing can stand, though something may have been told."""
        for key, subject in self._subjects.items():
            if not (subject.courses or subject.signals):
                yield key

    def forget(self, subject: str) -> bool:
        """Forgets a subject, once everything that has to be told of it has been."""
        if subject in self._touched:
            return False
        self._subjects.pop(subject, None)
        return True

    def touch(self, subject: str) -> None:
        """Says that a subject is to be looked at."""
        self._subject(subject)
        self._touched.add(subject)

    # ---- what follows

    def flush(
        self,
        watermark_ms: int | None,
        now_ms: int,
        until_ms: int | None,
        values: Callable[[str], Values | None] = lambda _: None,
        evidence: Evidence = lambda _: {},
    ) -> Flushed:
        """What is to be told and saved of the subjects that were touched.

        While the pipeline is late everything is held back, unless time stands at its end.
        """
        entities: list[tuple[bytes, bytes | None]] = []
        records: list[Outgoing] = []
        before_ms = self._horizon_ms(watermark_ms)
        wait = self._waits(watermark_ms, now_ms, until_ms)
        for key, alerts in self._told(values, evidence, before_ms, wait=wait):
            entities.append(self._saved(key))
            for alert in alerts:
                records.append(Outgoing(ALERTS, None, *alert_record(alert, self._prefix, now_ms)))
        return Flushed(entities, records)

    def _waits(self, watermark_ms: int | None, now_ms: int, until_ms: int | None) -> bool:
        if not self._live or (watermark_ms is not None and watermark_ms == until_ms):
            return False
        return watermark_ms is None or now_ms - watermark_ms > self._settings.late_after_ms

    def _horizon_ms(self, watermark_ms: int | None) -> int:
        if self._horizon_days is None or watermark_ms is None:
            return _EVER
        return self._calendar.day_start_ms(self._calendar.day(watermark_ms) - self._horizon_days)

    def _told(
        self,
        values: Callable[[str], Values | None],
        evidence: Evidence,
        before_ms: int,
        *,
        wait: bool,
    ) -> Iterator[tuple[str, list[Alert]]]:
        """(subject, alerts) of every subject that has something to save."""
        if wait:
            self.held_back = len(self._touched)
            yield from ((key, []) for key in self._to_wait(values))
            return
        delayed, self.held_back = bool(self.held_back), 0
        touched, self._touched = self._touched, set()
        waiting, self._waiting = self._waiting, set()
        for key in sorted(touched):
            subject = self._subject(key)
            standing = [*self._from_values(key, subject, values(key), evidence)]
            standing += self._from_signals(subject)
            kept = capped(standing, self._calendar.day, self._settings.at_most_per_day)
            kept = (each for each in kept if each.at_ms >= before_ms or each.id in subject.told)
            told = list(changes(kept, subject.told, held_back=delayed, before_ms=before_ms))
            if told or subject.forget(before_ms) or key in self._unsaved or key in waiting:
                yield key, told
        self._unsaved.clear()

    def _to_wait(self, values: Callable[[str], Values | None]) -> list[str]:
        """The subjects that have something to save while alerts are held back."""
        found = self._unsaved
        if not self._sweeps:
            found = found | self._touched - self._waiting
            self._waiting |= found
        if self._remembers:
            for key in found:
                for _ in self._advance(self._subject(key), values(key)):
                    pass
        self._unsaved = set()
        return sorted(found)

    def _advance(self, subject: Subject, values: Values | None) -> Iterator[tuple[Rule, Course]]:
        """The rules that have something to say of a subject, each as far as its values go."""
        for rule in self._rules if values is not None else ():
            assert values is not None
            closed, course = self._closed.get(rule.plan.id), subject.courses.get(rule.plan.id)
            firsts = [values.first_index(each, rule.period) for each in rule.series]
            known = [each for each in firsts if each is not None]
            if closed is None or not known:
                if self._remembers and course is not None:
                    yield rule, course
                continue
            if course is None:
                course = subject.courses[rule.plan.id] = Course(rule.plan, rule.end_ms)
            first, since_ms = min(known), self._since_ms.get(rule.plan.id)
            if since_ms is not None:
                first = max(first, self._calendar.index(rule.period, since_ms))
            course.advance(first, closed, _reader(rule, values), _judge(rule, values))
            yield rule, course

    def _from_values(
        self, key: str, subject: Subject, values: Values | None, evidence: Evidence
    ) -> Iterator[Standing]:
        shown = self._show(key)
        account, user = (None, shown) if self._level == USER else (shown, None)
        for rule, course in self._advance(subject, values):
            for episode in course.episodes:
                ended = episode.resolved
                content = rule.content(episode, account, user, self._settings.link)
                yield Standing(
                    rule.plan.id,
                    self._level,
                    shown,
                    rule.plan.watches[0].segment,
                    account,
                    user,
                    rule.final_ms(episode.fired),
                    None if ended is None else rule.final_ms(ended),
                    content,
                    rule.ended(episode),
                    partial(evidence, key),
                )

    def _from_signals(self, subject: Subject) -> Iterator[Standing]:
        last_ms: dict[str, int] = {}
        for each in sorted(
            subject.signals.values(), key=lambda each: (each.at_ms, each.rule, each.id)
        ):
            if each.at_ms < self._since_ms.get(each.rule, each.at_ms):
                continue
            last = last_ms.get(each.rule)
            if last is None or each.at_ms - last >= self._cooldown_ms[each.rule]:
                last_ms[each.rule] = each.at_ms
                yield each

    # ---- checkpoints

    def _saved(self, key: str) -> tuple[bytes, bytes | None]:
        """The record of a subject; one that says nothing but that the subject waits is removed."""
        content = self._content(key)
        keep = any(content) or key in self._waiting
        return state_key(self._record, key), state_value(content) if keep else None

    def _content(self, key: str) -> tuple[list[Any], ...]:
        subject = self._subject(key)
        told = [(id, *each, self._identity[each.last["rule"]]) for id, each in subject.told.items()]
        signals = [(key, *each[:-1]) for key, each in subject.signals.items()]
        if not self._remembers:
            return told, signals
        courses = [
            (rule, self._identity[rule], self._since_ms.get(rule), course.packed())
            for rule, course in subject.courses.items()
        ]
        return told, signals, courses

    def load(self, key: str, content: Any) -> None:
        """Takes back the content of a record, of the rules that are as they were.

        What was told before a rule began anew stays told: it is no reason to say that it was wrong.
        """
        subject = self._subject(key)
        told, signals, *courses = content
        for id, state, revision, mark, last, rule in told:
            since_ms = self._since_ms.get(last["rule"])
            is_before = since_ms is not None and parse_iso(last["at"]) < since_ms
            if self._identity.get(last["rule"]) == rule and not is_before:
                subject.told[id] = Told(state, revision, mark, last)
        for place, *fields in signals:
            each = Standing(*fields)
            if each.rule in self._cooldown_ms:
                subject.signals[place] = each
        rules = {rule.plan.id: rule for rule in self._rules}
        for id, rule, since_ms, course in courses[0] if courses else ():
            if self._identity.get(id) == rule and self._since_ms.get(id) == since_ms:
                subject.courses[id] = Course(rules[id].plan, rules[id].end_ms)
                subject.courses[id].load(course)
        self._touched.add(key)
        if not self._sweeps and not any(content):
            self._waiting.add(key)


def _without(last: dict[str, Any], kind: str, name: str) -> dict[str, Any]:
    """What was told last of an alert, without the name of a user, or of an account."""
    found = last | {"evidence": _unnamed(last["evidence"], kind, name)}
    if last[kind] == name:
        found[kind] = None
        for field in ("title", "text", "link"):
            found[field] = last[field] and last[field].replace(name, "-")
    return found


def _unnamed(evidence: Any, kind: str, name: str) -> Any:
    if not isinstance(evidence, dict):
        return evidence
    found = {
        field: value if field == EXPERIMENTS else _unnamed(value, kind, name)
        for field, value in evidence.items()
    }
    if name in found.get(f"{kind}s", ()):
        found[f"{kind}s"] = [each for each in found[f"{kind}s"] if each != name]
    if found.get(kind) == name:
        found[kind] = None
    return found


def _reader(rule: Rule, values: Values) -> Callable[[Watch, int], Fraction | None]:
    series = dict(zip(rule.plan.watches, rule.series, strict=True))
    return lambda watch, index: values.exact(series[watch], rule.period, index)


def _judge(rule: Rule, values: Values) -> Callable[[int], bool]:
    sample, wanted = rule.sample, rule.plan.sample
    if sample is None or wanted is None:
        return lambda index: True

    def enough(index: int) -> bool:
        found = values.exact(sample, rule.period, index)
        return found is not None and found >= wanted.at_least

    return enough
