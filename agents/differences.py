"""What two prefixes say differently: their values that are no longer provisional, and signals.

While one prefix is behind the other, what it cannot know yet is no difference: a value counts once
both have come to the end of its period, and a signal if both have come to its time.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import Any, Literal, NamedTuple

import orjson

from agents.compacted import Read, read_all
from agents.topics import topic_name
from agents.transport.kafka import KafkaSettings
from schemas.outputs import KPIS, SIGNALS, Number
from schemas.times import iso

EXAMPLES = 3
PROVISIONAL = "provisional"


class Value(NamedTuple):
    """What a prefix says last under a key."""

    value: Number | None
    over: bool
    """It is final, or was amended."""


class Example(NamedTuple):
    """One value that differs; `start` is ISO-8601."""

    variant: str | None
    subject: str | None
    segment: str
    period: str
    start: str
    old: Number | None
    new: Number | None


Outcome = Literal["equal", "different", "only_old", "only_new", "unsettled"]
"""Of a value. Unsettled: one prefix has come to the end of the period, and the other has not."""
DIFFERING: tuple[Outcome, ...] = ("different", "only_old", "only_new")


@dataclass
class KpiDifference:
    """How many values of a KPI at a level there are of each outcome."""

    kpi: str
    level: str
    counts: Counter[Outcome] = field(default_factory=Counter)
    examples: list[Example] = field(default_factory=list)

    @property
    def differs(self) -> bool:
        return any(self.counts[outcome] for outcome in DIFFERING)


class Standing(NamedTuple):
    """What a prefix says last of a signal; `at` is ISO-8601."""

    revision: int
    name: str
    at: str
    retracted: bool


class Signals(NamedTuple):
    """All that a prefix says of signals."""

    by_id: Mapping[str, Standing]
    kept_since: str
    """Of what was given before this time retention may have taken something (ISO-8601, or '')."""


@dataclass
class SignalDifference:
    """How many signals of a name stand under both prefixes, or under one of them."""

    name: str
    both: int = 0
    only_old: int = 0
    only_new: int = 0


class Differences(NamedTuple):
    """Between an old prefix and a new one, by KPI and level, and by the name of signals."""

    kpis: list[KpiDifference]
    signals: list[SignalDifference]
    signals_since: str
    """Signals of an earlier time were not compared ('': none were left out)."""


def read_differences(settings: KafkaSettings, old: str, new: str) -> Differences:
    """Compares what was committed under two prefixes. Raises as `read_all`."""
    of_old, of_new = read_values(settings, old), read_values(settings, new)
    signals_of_old, signals_of_new = read_signals(settings, old), read_signals(settings, new)
    since = max(signals_of_old.kept_since, signals_of_new.kept_since)
    until = min(come_to(of_old), come_to(of_new))
    signals = compare_signals(signals_of_old, signals_of_new, since, until)
    return Differences(compare_values(of_old, of_new), signals, since)


# ---- values


def read_values(settings: KafkaSettings, prefix: str) -> dict[bytes, Value]:
    """The last value of each key."""
    values: dict[bytes, Value] = {}
    for record in read_all(settings, topic_name(prefix, KPIS)):
        assert record.key is not None
        if record.value is None:
            values.pop(record.key, None)
        else:
            said = orjson.loads(record.value)
            values[record.key] = Value(said["value"], said["status"] != PROVISIONAL)
    return values


def come_to(values: Mapping[bytes, Value]) -> str:
    """The end of the latest period that is over (ISO-8601); '' where none is."""
    return max((_end_of(key) for key, value in values.items() if value.over), default="")


def compare_values(old: Mapping[bytes, Value], new: Mapping[bytes, Value]) -> list[KpiDifference]:
    """The differences by KPI and level, in their order. Keys are those of the records."""
    old_until, new_until = come_to(old), come_to(new)
    found: dict[tuple[str, str], KpiDifference] = {}
    differing: dict[tuple[str, str], list[Example]] = defaultdict(list)
    for key in old.keys() | new.keys():
        ours, theirs = old.get(key), new.get(key)
        if not ((ours and ours.over) or (theirs and theirs.over)):
            continue
        kpi, variant, level, subject, segment, period, start, end = orjson.loads(key)
        outcome = _outcome(ours, theirs, end, old_until, new_until)
        found.setdefault((kpi, level), KpiDifference(kpi, level)).counts[outcome] += 1
        if ours and theirs and outcome == "different":
            differing[kpi, level].append(
                Example(variant, subject, segment, period, start, ours.value, theirs.value)
            )
    for where, examples in differing.items():
        found[where].examples = nsmallest(EXAMPLES, examples, key=_telling)
    return [found[each] for each in sorted(found)]


def _outcome(
    old: Value | None, new: Value | None, end: str, old_until: str, new_until: str
) -> Outcome:
    """A value of nothing is as good as none: it is published only where there was one before."""
    if old and new:
        if not (old.over and new.over):
            return "unsettled"
        return "equal" if old.value == new.value else "different"
    known, behind = (old, end > new_until) if old else (new, end > old_until)
    if known is None or not known.value:
        return "equal"
    if behind:
        return "unsettled"
    return "only_old" if old else "only_new"


def _end_of(key: bytes) -> str:
    end: str = orjson.loads(key)[-1]
    return end


def _telling(example: Example) -> tuple[Any, ...]:
    """The whole before its segments; then in the order of time, for the first is the cause."""
    whole = example.segment == "all"
    return not whole, example.start, example.period, repr(example)


# ---- signals


def read_signals(settings: KafkaSettings, prefix: str) -> Signals:
    """What is said last of each signal, those that were taken back included."""
    return signals_of(read_all(settings, topic_name(prefix, SIGNALS)))


def signals_of(records: Iterable[Read]) -> Signals:
    """As `read_signals`, from the records of the topic."""
    by_id: dict[str, Standing] = {}
    oldest_ms: dict[int, int] = {}
    for record in records:
        if record.after_loss:
            oldest_ms.setdefault(record.partition, record.timestamp_ms)
        if record.value is None:
            continue
        said = orjson.loads(record.value)
        known = by_id.get(said["id"])
        if known is None or said["revision"] >= known.revision:
            by_id[said["id"]] = Standing(
                said["revision"], said["signal"], said["at"], said["retracted"]
            )
    since = max(oldest_ms.values(), default=None)
    return Signals(by_id, "" if since is None else iso(since))


def compare_signals(old: Signals, new: Signals, since: str, until: str) -> list[SignalDifference]:
    """The differences by name, of signals from `since` on and up to `until` (ISO-8601).

    With an empty `until` there is no last moment.
    """
    found: dict[str, SignalDifference] = {}
    for id in old.by_id.keys() | new.by_id.keys():
        ours, theirs = _if_standing(old, id), _if_standing(new, id)
        either = ours or theirs
        if either is None or either.at < since or (until and either.at > until):
            continue
        counts = found.setdefault(either.name, SignalDifference(either.name))
        if ours and theirs:
            counts.both += 1
        elif ours:
            counts.only_old += 1
        else:
            counts.only_new += 1
    return [found[name] for name in sorted(found)]


def _if_standing(signals: Signals, id: str) -> Standing | None:
    signal = signals.by_id.get(id)
    return None if signal is None or signal.retracted else signal
