"""Reads `cases/<group>.yaml`: one case a KPI, two where the definition has an edge worth showing.

```yaml
- kpi: seats_near_limit
  shows: The window moves on         # only where a KPI has two cases: what this one adds
  settings: {seat_ratio: [8, 10]}    # what the plan must set; all else has the row's default
  facts:                             # [time, kind, account, user, {name, value, attrs}]
  - [2026-03-02T09:00:00Z, plan_change, a1, null, {attrs: {tier: paid, seat_limit: 10}}]
  - {each: [1, 8], facts: [[2026-03-02T10:00:00Z, activity, a1, "u{n}"]]}
  until: 2026-03-04T00:00:00Z        # the watermark at the end
  expect:
    values: [{period: day, start: 2026-03-02, value: 1}]
    signals: [{signal: enter, subject: a1, at: 2026-03-02T10:00:00Z}]
    lines: [{period: day, start: 2026-03-02, subject: a1}]
```

Facts. Every fact is an event of its own; ids ascend in the order of the file, which settles ties in
time. Names of kinds and attributes are those of the catalogue; times of attributes (`due_ms`) are
integer milliseconds, amounts minor units. Two shorthands, which combine:

- `{each: [1, 8], facts: [...]}` says the facts once for each of 1 to 8, with that number in the
  place of `{n}` in account, user and name;
- `{days: 30, facts: [...]}` says the facts on thirty days running, the first being the one written.

Without `until` the watermark ends as a replay's does: at the end of the UTC day of the newest fact.

Expectations. `start` is the first instant of an hour, day, week or month; a trailing window or a
year to date says its last `day` instead. A value may be a fraction (`1/3`) and is null where the
definition says so; null and 0 count as said where an output has no such record. Level, variant,
segment, subject and part are the company, none, all, none and the headline unless given. `lines`
name every line of the lists they mention; members of a membership are in no order and have no rank;
`part: bottom` marks the lower end of a ranking that has two, ranked from its end. `signals` are all
that stand at the end, of this KPI. What is not mentioned is not checked.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

CASES = Path(__file__).parent / "cases"
YAML: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Kind = Literal[
    "activity", "session", "first_action", "key_task", "activation", "feature", "trial",
    "plan_change", "subscription", "payment", "cost", "survey", "ticket", "lead", "opportunity",
    "spend", "awareness", "guide", "referral", "incident", "response_time", "delivery", "outcome",
    "project", "role", "exposure",
]  # fmt: skip
Calendar = Literal["hour", "day", "week", "month"]
Running = Literal["trailing_7d", "trailing_30d", "year_to_date"]
Level = Literal["company", "account", "user"]

LONGEST_EXPANSION = 2_000
"""Facts of one case: an example, not a load."""


class Malformed(ValueError):
    """A case that says something no case can mean; the message names file and case."""


class Frozen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Strict and closed: an unknown field is a mistake of writing."""


class Detail(Frozen, frozen=True):
    name: str | None = None
    value: int | None = None
    attrs: dict[str, str | int] = {}


class Fact(Frozen, frozen=True, array_like=True):
    """One line of `facts`, shorthands written out."""

    time: datetime
    kind: Kind
    account: str | None
    user: str | None
    detail: Detail = Detail()


class Repeated(Frozen, frozen=True):
    facts: list[Fact]
    each: tuple[int, int] | None = None
    days: int = 1

    def spelt_out(self) -> Iterator[Fact]:
        if self.each is None:
            yield from self._on_each_day(self.facts)
            return
        for n in range(self.each[0], self.each[1] + 1):
            yield from self._on_each_day([_numbered(fact, n) for fact in self.facts])

    def _on_each_day(self, facts: list[Fact]) -> Iterator[Fact]:
        for day in range(self.days):
            for fact in facts:
                yield msgspec.structs.replace(fact, time=fact.time + timedelta(days=day))


class Value(Frozen, frozen=True):
    """One number of the case's KPI. Exactly one of `start` and `day` is given."""

    period: Calendar | Running
    value: float | None
    start: datetime | None = None
    day: datetime | None = None
    level: Level = "company"
    subject: str | None = None
    variant: str | None = None
    segment: str = "all"
    part: str | None = None

    def bounds(self) -> tuple[datetime, datetime]:
        """The period, half-open."""
        return period_of(self.period, self.start, self.day)


class Line(Frozen, frozen=True):
    """One line of a list or ranking at the end of a period."""

    period: Calendar | Running
    subject: str
    rank: int | None = None
    score: float | None = None
    start: datetime | None = None
    day: datetime | None = None
    variant: str | None = None
    part: Literal["bottom"] | None = None

    def bounds(self) -> tuple[datetime, datetime]:
        """The period, half-open."""
        return period_of(self.period, self.start, self.day)


class Signal(Frozen, frozen=True):
    """A signal that stands at the end."""

    signal: Literal["enter", "leave"]
    subject: str
    at: datetime
    variant: str | None = None
    user: str | None = None
    """Of an account's signal: the user who brought it about, where the definition names one."""


class Expected(Frozen, frozen=True):
    values: list[Value] = []
    signals: list[Signal] | None = None
    lines: list[Line] = []


class Case(Frozen, frozen=True):
    kpi: str
    facts: list[Fact]
    expect: Expected
    until: datetime
    shows: str | None = None
    settings: dict[str, Any] = {}

    def __str__(self) -> str:
        return f"{self.kpi}: {self.shows}" if self.shows else self.kpi


def load_cases() -> list[Case]:
    """All cases, by group and in the order written. Raises Malformed, naming file and KPI."""
    return [case for path in sorted(CASES.glob("*.yaml")) for case in _cases_of(path)]


def _cases_of(path: Path) -> Iterator[Case]:
    for raw in yaml.load(path.read_text(), Loader):
        try:
            yield case_of(raw)
        except (ValueError, TypeError, KeyError) as error:
            where = raw.get("kpi", raw) if isinstance(raw, dict) else raw
            raise Malformed(f"{path.name}, {where}: {error}") from error


def case_of(raw: dict[str, Any]) -> Case:
    facts = [fact for entry in raw["facts"] for fact in _facts(entry)]
    if not facts or len(facts) > LONGEST_EXPANSION:
        raise Malformed(f"{len(facts)} facts: say at least 1 and at most {LONGEST_EXPANSION}")
    expect = dict(raw["expect"])
    for name in ("values", "lines"):
        expect[name] = [_with_number(line) for line in expect.get(name, [])]
    newest = max(fact.time for fact in facts)
    end = _midnight(newest) + timedelta(days=1)
    case = msgspec.convert({"until": end, **raw, "facts": [], "expect": expect}, Case)
    if newest >= case.until:
        raise Malformed(f"a fact of {newest} at or after the watermark {case.until}")
    _check(case)
    return msgspec.structs.replace(case, facts=facts)


def _facts(entry: Any) -> Iterator[Fact]:
    if isinstance(entry, dict):
        yield from msgspec.convert(entry, Repeated).spelt_out()
    else:
        yield msgspec.convert(entry, Fact)


def _numbered(fact: Fact, n: int) -> Fact:
    def with_number(text: str | None) -> str | None:
        return text and text.replace("{n}", str(n))

    return msgspec.structs.replace(
        fact,
        account=with_number(fact.account),
        user=with_number(fact.user),
        detail=msgspec.structs.replace(fact.detail, name=with_number(fact.detail.name)),
    )


def _with_number(line: dict[str, Any]) -> dict[str, Any]:
    """A fraction as the nearest float, which is what one division of two integers gives."""
    field = "value" if "value" in line else "score"
    if isinstance(line.get(field), str):
        return {**line, field: float(Fraction(line[field]))}
    return line


def _check(case: Case) -> None:
    expect = case.expect
    if not (expect.values or expect.signals or expect.lines):
        raise Malformed("expects nothing")
    lines: list[Value | Line] = [*expect.values, *expect.lines]
    for line in lines:
        _start, end = line.bounds()
        if line.period != "hour" and end - timedelta(days=1) >= case.until:
            raise Malformed(f"the watermark {case.until} comes before the last day of {line}")
    for value in expect.values:
        if (value.level == "company") != (value.subject is None):
            raise Malformed(
                f"a subject stands with the level account or user, and only there: {value}"
            )


def period_of(
    period: str, start: datetime | None, day: datetime | None
) -> tuple[datetime, datetime]:
    """First instant of a period and the first one after it."""
    first = {
        "trailing_7d": lambda d: d - timedelta(days=6),
        "trailing_30d": lambda d: d - timedelta(days=29),
        "year_to_date": lambda d: d.replace(month=1, day=1),
    }
    if period in first:
        if day is None or start is not None or day != _midnight(day):
            raise Malformed(f"{period} says its last day")
        return first[period](day), day + timedelta(days=1)
    if start is None or day is not None:
        raise Malformed(f"{period} says its start")
    end = {
        "hour": start + timedelta(hours=1),
        "day": start + timedelta(days=1),
        "week": start + timedelta(days=7),
        "month": (start.replace(day=1) + timedelta(days=31)).replace(day=1),
    }[period]
    if start != _first_instant(period, start):
        raise Malformed(f"no {period} starts at {start}")
    return start, end


def _first_instant(period: str, time: datetime) -> datetime:
    if period == "hour":
        return time.replace(minute=0, second=0, microsecond=0)
    midnight = _midnight(time)
    if period == "week":
        return midnight - timedelta(days=midnight.weekday())
    return midnight.replace(day=1) if period == "month" else midnight


def _midnight(time: datetime) -> datetime:
    return time.replace(hour=0, minute=0, second=0, microsecond=0)


class Loader(YAML):
    """YAML in which a date is its midnight UTC, and a time without a zone a mistake."""


def _timestamp(loader: Loader, node: yaml.ScalarNode) -> datetime:
    time = loader.construct_yaml_timestamp(node)
    if not isinstance(time, datetime):
        assert isinstance(time, date)
        return datetime(time.year, time.month, time.day, tzinfo=UTC)
    if time.tzinfo is None:
        raise Malformed(f"{node.value} has no zone: say Z")
    return time


Loader.add_constructor("tag:yaml.org,2002:timestamp", _timestamp)
