"""Reads what Headwater writes, and says where it differs from the oracle.

The last record of a key holds its value; a signal stands if its highest revision is not
retracted. A value that was never written counts as 0 or null.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import orjson

from schemas.times import iso, parse_iso
from streams.engine import Engine
from tests.oracle import KPIS, SIGNALS, Key, Oracle, Standing

PUBLISHED_STATUSES = ("provisional", "final", "amended")
WHOLE_ONLY = ("accounts_3plus_activated_rate",)
TOLERANCE = 1e-9
KEY_FIELDS = ("kpi", "variant", "level", "subject", "segment", "period", "start", "end")

Record = dict[str, Any]
T = TypeVar("T")

_key_fields = itemgetter(*KEY_FIELDS)
_moment_ms = lru_cache(1 << 14)(parse_iso)  # the bounds of periods, again and again


class Result(NamedTuple):
    """The standing end of a run: last record of each KPI key, signals by id, dead letters.

    And the data of the alerts for which there is a reason, by id, and the last record of each list.
    """

    kpis: dict[Key, Record]
    signals: dict[str, Record]
    dead_letters: list[Record]
    alerts: Mapping[str, Record] = MappingProxyType({})
    lists: Mapping[Key, Record] = MappingProxyType({})


def key_of(record: Record) -> Key:
    return Key(
        record["kpi"],
        record["variant"],
        record["level"],
        record["subject"],
        record["segment"],
        record["period"],
        _moment_ms(record["start"]),
        _moment_ms(record["end"]),
    )


def last_when_over(
    engine: Engine, records: Sequence[bytes], until_ms: int, now_ms: int, *, steps: int = 1_000
) -> dict[Key, Record]:
    """What an engine says last of each key, that was fed `steps` records at a time to the end."""
    for start in range(0, len(records), steps):
        engine.feed(records[start : start + steps])
        engine.settle()
    engine.advance(until_ms)
    engine.settle(now_ms)
    assert not engine.outputs["dead-letters"]
    return last_of_each_key(engine.outputs["kpis"])


def last_of_each_key(lines: Iterable[bytes]) -> dict[Key, Record]:
    last = {_key_fields(record): record for record in map(orjson.loads, lines)}
    return {key_of(record): record for record in last.values()}


def latest_signals(lines: Iterable[bytes]) -> dict[str, Record]:
    """The record of the highest revision of each signal id, retracted ones too."""
    latest: dict[str, Record] = {}
    for record in map(orjson.loads, lines):
        known = latest.get(record["id"])
        if known is None or record["revision"] >= known["revision"]:
            latest[record["id"]] = record
    return latest


def result_of(outputs: Mapping[str, Iterable[bytes]]) -> Result:
    """Reads records out by the role of their topic."""
    signals = latest_signals(outputs.get("signals", ()))
    return Result(
        last_of_each_key(outputs.get("kpis", ())),
        {id: record for id, record in signals.items() if not record["retracted"]},
        [orjson.loads(line) for line in outputs.get("dead-letters", ())],
        {
            id: data
            for id, data in latest_alerts(outputs.get("alerts", ())).items()
            if data["state"] != "disproved"
        },
        last_of_each_key(outputs.get("lists", ())),
    )


def latest_alerts(records: Iterable[bytes]) -> dict[str, Record]:
    """The data of the highest revision of each alert."""
    latest: dict[str, Record] = {}
    for record in map(orjson.loads, records):
        data = record["data"]
        known = latest.get(data["id"])
        if known is None or known["revision"] < data["revision"]:
            latest[data["id"]] = data
    return latest


def lasting(alert: Record) -> Record:
    """What an alert says whenever it is told: not how often it was, nor who was there by then."""
    evidence = alert["evidence"]
    if "values" in evidence:
        evidence = {name: evidence.get(name) for name in ("values", "ended")}
    return alert | {"revision": None, "held_back": None, "evidence": evidence}


def not_taken_back(engine: Engine, records: Mapping[Key, T]) -> dict[Key, T]:
    """Of what an engine said of values, or of lists, what it did not take back (by tombstones)."""
    gone = {tuple(orjson.loads(key)) for key in engine.gone}
    return {key: of for key, of in records.items() if (*key[:-2], *map(iso, key[-2:])) not in gone}


def is_nothing(value: object) -> bool:
    return value is None or value == 0


def settled(result: Result) -> set[str]:
    """What is the same however the events came: last values, standing signals and alerts, dead
    letters.

    A value of nothing is left out: in a segment it is published only where there was one before.
    """
    kpis = (
        f"{key}: {record['value']} {record['parts']} {record['status'] == 'provisional'}"
        for key, record in result.kpis.items()
        if not is_nothing(record["value"])
    )
    signals = (str(record | {"revision": None}) for record in result.signals.values())
    lists = (
        f"{key}: {record['top']} {record['bottom']} {record['status'] == 'provisional'}"
        for key, record in result.lists.items()
        if record["top"]
    )
    letters = (f"{letter['code']}: {letter['original']}" for letter in result.dead_letters)
    alerts = (str(lasting(alert)) for alert in result.alerts.values())
    return {*kpis, *lists, *signals, *letters, *alerts}


def repetitions(outputs: Mapping[str, Iterable[bytes]]) -> list[str]:
    """One line for each value, signal or dead letter that was not written once.

    The revisions of a key, and those of a signal, count from 1, each once and in order.
    """
    revisions: dict[object, list[int]] = defaultdict(list)
    for role in ("kpis", "lists"):
        for record in map(orjson.loads, outputs.get(role, ())):
            place = role, _key_fields(record)
            revisions[place].append(record["revision"])
    for record in map(orjson.loads, outputs.get("signals", ())):
        revisions["signal", record["id"]].append(record["revision"])
    for record in map(orjson.loads, outputs.get("alerts", ())):
        revisions["alert", record["data"]["id"]].append(record["data"]["revision"])
    letters = Counter(
        (letter["topic"], letter["partition"], letter["offset"], letter["code"])
        for letter in map(orjson.loads, outputs.get("dead-letters", ()))
    )
    found = [
        f"{what}: revisions {written}"
        for what, written in revisions.items()
        if written != list(range(1, len(written) + 1))
    ]
    return found + [f"dead letter {place}: {n} times" for place, n in letters.items() if n > 1]


def same_number(ours: object, wanted: object, tolerance: float = TOLERANCE) -> bool:
    """Equal up to a relative tolerance; null equals null only."""
    if ours is None or wanted is None:
        return ours is wanted
    assert isinstance(ours, int | float)
    assert isinstance(wanted, int | float)
    return abs(ours - wanted) <= tolerance * max(1.0, abs(wanted))


def standing_of(record: Record) -> Standing:
    return Standing(
        record["signal"],
        record["variant"],
        record["account"],
        record["user"],
        parse_iso(record["at"]),
        record["evidence"].get("lag_seconds"),
    )


def judged(key: Key) -> bool:
    """Whether the oracle has an opinion; it has none on shares of accounts by segment."""
    return key.kpi in KPIS and (key.kpi not in WHOLE_ONLY or key.segment == "all")


def disagreements(result: Result, oracle: Oracle) -> list[str]:
    """One line for each value or signal in which a run differs from the oracle."""
    found: list[str] = []
    for key, record in result.kpis.items():
        if not judged(key):
            continue
        if key not in oracle.values:
            if not is_nothing(record["value"]):
                found.append(f"{key}: {record['value']}, the oracle has nothing there")
            continue
        row = oracle.values[key]
        if not same_number(record["value"], row.value):
            found.append(f"{key}: {record['value']}, should be {row.value}")
            continue
        parts = record["parts"] or {}
        for name, wanted in row.parts.items():
            if name not in parts and is_nothing(wanted):
                continue
            if not same_number(parts.get(name), wanted):
                found.append(f"{key}: part {name} {parts.get(name)}, should be {wanted}")
        if record["status"] not in PUBLISHED_STATUSES:
            found.append(f"{key}: status {record['status']}")
        elif (record["status"] == "provisional") == row.final:
            found.append(f"{key}: {record['status']}, should be {'' if row.final else 'not '}final")
    known = {key.kpi for key in result.kpis}
    for key, row in oracle.values.items():
        if key in result.kpis or not row.due or not judged(key):
            continue
        always = key.kpi in known and key.level == "company" and key.segment == "all"
        if always or not is_nothing(row.value):
            found.append(f"{key}: missing, should be {row.value}")
    ours = {
        standing_of(record) for record in result.signals.values() if record["signal"] in SIGNALS
    }
    found += [f"signal {s} should not stand" for s in sorted(map(str, ours - oracle.signals))]
    found += [f"signal {s} is missing" for s in sorted(map(str, oracle.signals - ours))]
    return found
