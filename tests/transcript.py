"""Plays a transcript: event time in, expected output out, and nothing else.

A transcript is a YAML file:

```yaml
transcript: A late event amends its day       # what it shows, one sentence
plan: {kpis: {only: [dau]}}                    # laid over PLAN
watch: [dau, signals]                          # KPI ids, kpi/period, signals, alerts, dead-letters
steps:
- events: [2026-03-01 10:00 | Opened | u1 | a1]    # time | name | user | account
- event: {time: ..., name: ..., user: ..., account: ..., country: se}   # others: properties
- identify: {time: ..., user: ..., anonymous: ..., internal: "true"}    # others: traits
- alias: {time: ..., previous: ..., user: ...}
- repeat: 1                                    # the n-th event again (from 1), same message id
- now: 2026-03-01 12:00                        # wall clock, where it matters
- watermark: 2026-03-02 00:05
- expect:                                      # all that changed since the last expect
  - {kpi: dau, start: 2026-03-01, value: 1, status: final}     # period: day unless given
  - {signal: activated, user: u1, at: 2026-03-01 10:00, evidence: {lag_seconds: 0}}
  - {signal: activated, user: u1, at: 2026-03-01 10:00, retracted: true}
  - {alert: rule, type: firing, state: firing, subject: a1, at: 2026-03-02, value: 0}
  - {dead_letter: future_time}
```

A user written `anon:x` is unidentified. Times are UTC; a bare date as the start of a KPI period is
local midnight of the plan's zone. Of several records of a key between two expects the last counts:
how often a value was written on the way there is not part of a transcript. A record that says what
is known already is no change.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import yaml

from schemas.plan.check import load_plan
from schemas.times import iso, parse_iso
from streams.engine import Engine
from streams.warmth import WARM
from tests.oracle import Key
from tests.records import Record, last_of_each_key, latest_signals, same_number

PLAN: dict[str, Any] = {
    "product": "Transcript",
    "inputs": [{"topic": "events", "format": "segment"}],
    "horizon": "all",
}
NOW_MS = parse_iso("2030-01-01T00:00:00Z")
"""Wall clock unless a transcript sets it: later than every event of a transcript."""
BETWEEN_FLUSHES_MS = 120_000
"""More than any limit on how often provisional values are written."""

STEPS = ("events", "event", "identify", "alias", "repeat", "now", "watermark", "expect")
EVENT_FIELDS = ("time", "name", "user", "account", "anonymous", "previous", "id")
KPI_FIELDS = {
    "kpi", "variant", "account", "segment", "period", "start", "value", "parts", "status",
    "revision",
}  # fmt: skip
SIGNAL_FIELDS = {"signal", "variant", "account", "user", "at", "evidence", "retracted", "revision"}

ALERT_FIELDS = {
    "alert", "type", "state", "subject", "at", "resolved_at", "value", "change", "title",
    "revision", "users", "accounts", "features", "experiments", "held_back",
}  # fmt: skip
ALERT_EVIDENCE = ("users", "accounts", "features", "experiments")


class RefusedError(AssertionError):
    """The transcript does not hold, or cannot be read. Says the file, the step and why."""


def utc_ms(moment: object) -> int:
    """UTC milliseconds of what YAML makes of a time: text, a date or a datetime."""
    if isinstance(moment, datetime):
        return parse_iso(moment.isoformat())
    if isinstance(moment, date):
        return parse_iso(f"{moment.isoformat()}T00:00:00Z")
    return parse_iso(str(moment).strip())


def lines_of(step: str, content: Any) -> Iterable[dict[str, Any]]:
    """Events of a step, each as a mapping of EVENT_FIELDS and properties or traits."""
    if step != "events":
        yield content
        return
    for line in content:
        cells = [cell.strip() for cell in line.split("|")]
        if not 2 <= len(cells) <= 4:
            raise RefusedError(f"not `time | name | user | account`: {line}")
        yield {k: cell for k, cell in zip(EVENT_FIELDS, cells, strict=False) if cell}


def raw_event(step: str, given: Mapping[str, Any], number: int) -> bytes:
    """The Segment record of an event, `number` (from 1) naming its message."""
    rest = {name: value for name, value in given.items() if name not in EVENT_FIELDS}
    record: dict[str, Any] = {
        "messageId": given.get("id", f"m{number:04}"),
        "type": step if step in ("identify", "alias") else "track",
        "timestamp": iso(utc_ms(given["time"])),
    }
    user = given.get("user")
    if user is not None and user.startswith("anon:"):
        record["anonymousId"] = user.removeprefix("anon:")
    elif user is not None:
        record["userId"] = user
    for field, name in (
        ("name", "event"),
        ("anonymous", "anonymousId"),
        ("previous", "previousId"),
    ):
        if field in given:
            record[name] = given[field]
    if "account" in given:
        record["context"] = {"groupId": given["account"]}
    record["traits" if step == "identify" else "properties"] = rest
    return orjson.dumps(record)


class Player:
    """One run of one transcript through all stages in memory."""

    def __init__(self, transcript: Mapping[str, Any], partitions: int, restarts: bool) -> None:
        self._plan = PLAN | transcript.get("plan", {})
        if "alerts" in self._plan:  # the wall clock is years ahead, and that is no lag
            self._plan["alerts"] = {"late_after": "9999d"} | self._plan["alerts"]
        self._zone = ZoneInfo(self._plan.get("timezone", "UTC"))
        self._watched = [str(entry) for entry in transcript["watch"]]
        loaded = load_plan(yaml.safe_dump(self._plan, sort_keys=False))
        self._engine = Engine(loaded, partitions=partitions, warm=1 if restarts else WARM)
        self._restarts = restarts
        self._now_ms = NOW_MS
        self._given: list[bytes] = []
        self._read: dict[str, int] = {}
        self._values: dict[Key, Record] = {}
        self._signals: dict[str, Record] = {}
        self._alerts: dict[str, Record] = {}

    def play(self, step: str, content: Any) -> None:
        """Raises RefusedError where the outcome is another than an `expect` says."""
        match step:
            case "events" | "event" | "identify" | "alias":
                for given in lines_of(step, content):
                    self._feed(raw_event(step, given, len(self._given) + 1))
            case "repeat":
                self._feed(self._given[content - 1])
            case "now":
                self._now_ms = utc_ms(content)
            case "watermark":
                self._engine.advance(utc_ms(content))
                self._settle()
            case "expect":
                self._settle()
                self._check(content or [])
        if self._restarts:
            self._settle()
            self._engine.restart()

    def finish(self) -> None:
        """Raises RefusedError if something came out after the last `expect`."""
        self._settle()
        self._check([])

    def _feed(self, record: bytes) -> None:
        self._given.append(record)
        self._engine.feed([record], now_ms=self._now_ms)

    def _settle(self) -> None:
        self._now_ms += BETWEEN_FLUSHES_MS
        self._engine.settle(now_ms=self._now_ms)

    def _new(self, role: str) -> list[bytes]:
        records = self._engine.outputs.get(role, [])
        read = self._read.get(role, 0)
        self._read[role] = len(records)
        return records[read:]

    # ---- what changed since the last expect

    def _changed_values(self) -> dict[Key, Record]:
        changed = {}
        for key, record in last_of_each_key(self._new("kpis")).items():
            known = self._values.get(key)
            said = (record["value"], record["status"])
            if known is None or (known["value"], known["status"]) != said:
                changed[key] = record
            self._values[key] = record
        return {
            key: record
            for key, record in changed.items()
            if key.kpi in self._watched or f"{key.kpi}/{key.period}" in self._watched
        }

    def _changed_signals(self) -> list[Record]:
        changed = []
        for id, record in latest_signals(self._new("signals")).items():
            known = self._signals.get(id)
            stood = known is not None and not known["retracted"]
            if not (record["retracted"] and not stood):
                changed.append(record)
            self._signals[id] = record
        return changed if "signals" in self._watched else []

    def _changed_alerts(self) -> list[Record]:
        """The last record of every alert that says something new."""
        last: dict[str, Record] = {}
        for record in map(orjson.loads, self._new("alerts")):
            last[record["data"]["id"]] = record
        changed = [each for id, each in last.items() if self._alerts.get(id) != each]
        self._alerts |= last
        return changed if "alerts" in self._watched else []

    def _dead_letters(self) -> list[str]:
        codes = [orjson.loads(record)["code"] for record in self._new("dead-letters")]
        return codes if "dead-letters" in self._watched else []

    # ---- against what a transcript expects

    def _check(self, expected: list[dict[str, Any]]) -> None:
        values = self._changed_values()
        signals = self._changed_signals()
        alerts = self._changed_alerts()
        dead = self._dead_letters()
        wrong: list[str] = []
        for wanted in expected:
            if "kpi" in wanted:
                self._check_value(wanted, values, wrong)
            elif "signal" in wanted:
                self._check_signal(wanted, signals, wrong)
            elif "alert" in wanted:
                self._check_alert(wanted, alerts, wrong)
            elif wanted.keys() == {"dead_letter"}:
                if wanted["dead_letter"] in dead:
                    dead.remove(wanted["dead_letter"])
                else:
                    wrong.append(f"expected {wanted}, dead letters are {dead}")
            else:
                wrong.append(f"an expectation of nothing known: {wanted}")
        wrong += [
            f"unexpected value {key.kpi} {key.variant or ''} {key.level} {key.subject or ''} "
            f"{key.segment} {key.period} {iso(key.start_ms)}: {record['value']} {record['status']}"
            for key, record in values.items()
        ]
        wrong += [f"unexpected signal {record}" for record in signals]
        wrong += [f"unexpected alert {record}" for record in alerts]
        wrong += [f"unexpected dead letter {code}" for code in dead]
        if wrong:
            raise RefusedError("; ".join(wrong))

    def _check_alert(self, wanted: dict[str, Any], alerts: list[Record], wrong: list[str]) -> None:
        if unknown := wanted.keys() - ALERT_FIELDS:
            wrong.append(f"an alert expectation has no {sorted(unknown)}")
            return
        for record in alerts:
            data = record["data"]
            said = data | {
                "alert": data["rule"],
                "type": record["type"].removeprefix("headwater.alert."),
                **{each: data["evidence"].get(each) for each in ALERT_EVIDENCE},
            }
            times = {
                field: iso(self._start_ms(wanted[field]))
                for field in ("at", "resolved_at")
                if wanted.get(field) is not None
            }
            if all(said.get(field) == value for field, value in (wanted | times).items()):
                alerts.remove(record)
                return
        wrong.append(f"expected {wanted}, alerts are {alerts}")

    def _start_ms(self, start: object) -> int:
        if isinstance(start, date) and not isinstance(start, datetime):
            midnight = datetime(start.year, start.month, start.day, tzinfo=self._zone)
            return parse_iso(midnight.astimezone(UTC).isoformat())
        return utc_ms(start)

    def _check_value(
        self, wanted: dict[str, Any], values: dict[Key, Record], wrong: list[str]
    ) -> None:
        if unknown := wanted.keys() - KPI_FIELDS:
            wrong.append(f"a KPI expectation has no {sorted(unknown)}")
            return
        account = wanted.get("account")
        identity = (
            wanted["kpi"],
            wanted.get("variant"),
            "company" if account is None else "account",
            account,
            wanted.get("segment", "all"),
            wanted.get("period", "day"),
            self._start_ms(wanted["start"]),
        )
        key = next((key for key in values if key[:7] == identity), None)
        if key is None:
            wrong.append(f"expected {wanted}, there was no change of it")
            return
        record = values.pop(key)
        same = same_number(record["value"], wanted["value"])
        same &= all(record[f] == wanted[f] for f in ("status", "revision") if f in wanted)
        parts = record["parts"] or {}
        same &= all(same_number(parts.get(n), p) for n, p in wanted.get("parts", {}).items())
        if not same:
            wrong.append(f"expected {wanted}, got {record}")

    def _check_signal(
        self, wanted: dict[str, Any], signals: list[Record], wrong: list[str]
    ) -> None:
        if unknown := wanted.keys() - SIGNAL_FIELDS:
            wrong.append(f"a signal expectation has no {sorted(unknown)}")
            return
        for record in signals:
            evidence = wanted.get("evidence", {})
            if (
                all(
                    record[field] == wanted[field]
                    for field in ("signal", "variant", "account", "user", "revision")
                    if field in wanted
                )
                and record["retracted"] == wanted.get("retracted", False)
                and parse_iso(record["at"]) == utc_ms(wanted["at"])
                and evidence.items() <= record["evidence"].items()
            ):
                signals.remove(record)
                return
        wrong.append(f"expected {wanted}, there was no such signal")


def play(file: Path, *, partitions: int = 4, restarts: bool = False) -> None:
    """Plays a transcript to its end; raises RefusedError where it does not hold."""
    transcript = yaml.safe_load(file.read_text(encoding="utf-8"))
    player = Player(transcript, partitions, restarts)
    for number, step in enumerate(transcript["steps"], start=1):
        ((name, content),) = step.items()
        if name not in STEPS:
            raise RefusedError(f"{file.name}, step {number}: no such step: {name}")
        try:
            player.play(name, content)
        except RefusedError as why:
            raise RefusedError(f"{file.name}, step {number}: {why}") from None
    try:
        player.finish()
    except RefusedError as why:
        raise RefusedError(f"{file.name}, after the last step: {why}") from None
