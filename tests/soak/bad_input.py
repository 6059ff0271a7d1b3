"""A flood of bad records through all stages: nothing may crash, and none may get lost.

    python -m tests.soak.bad_input --records 1000000 --seed 1

Good records are mixed in, so that the bad ones find state to spoil. Stages are made anew from
their state records again and again: what is poison in a checkpoint would show there. Every record
is counted or becomes a dead letter: per kind of outcome, the stages' own numbers and the published
counts have to add up to what was fed.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from schemas.events import DEAD_LETTER_CODES, Event
from schemas.formats import format_named
from schemas.plan.check import load_plan
from schemas.plan.models import Plan
from schemas.times import DAY_MS, HOUR_MS, iso, parse_iso
from streams.engine import Engine
from tests.records import last_of_each_key

PLAN: Final = """
product: Bad input
inputs: [{topic: in, format: segment}]
activity: all
first_action: [Opened, "Invite *"]
activation: {all_of: [make, share]}
key_tasks: {make: Made, share: {event: Shared, where: {size.kb: {ge: 1}}}}
sessions: {event: "*", value: durationMs}
events: [{event: "*", is: feature, name: {property: feature}}]
segments: {country: {property: country}, role: {trait: role}}
milestones: {distinct_users: [1, 3], activated_users: [3]}
horizon: {entity_days: 20, tally_days: 40}
kpis:
  levels: {account: [dau]}
  only: [dau, wau, active_accounts, lifecycle_new, sessions, action_to_activation_lag,
    activated_users, activation_rate, user_retention_rate, accounts_3plus_active,
    account_user_milestones, account_activated_user_milestones]
  settings: {core_tasks: [make], activation_tasks: [make, share]}
"""
STAFF: Final = """
exclude: {users: [{trait: internal, equals: true}, {trait: email, matches: "*@b.example"}]}
"""
FIELDS: Final = """{user: userId, anonymous: anonymousId, account: context.groupId,
 time: timestamp, name: event, type: type, previous: previousId, message_id: messageId,
 properties: properties, traits: traits}"""
NOW_MS: Final = parse_iso("2026-03-20T12:00:00Z")
FED_AT_ONCE: Final = 5000
"""Before each checkpoint; what publishing costs does not depend on it."""
RECORDS_OF_AN_ENGINE: Final = 50_000
"""After so many all state is dropped, which bounds the memory that invented users take."""

HUGE: Final = "9" * 400
ODD: Final[tuple[str, ...]] = (
    *("null", "true", "false", "0", "-0", "-0.0", "0.0", "1.5", "1e5", "1E400", "-1e400", "1e-400"),
    *("9223372036854775807", "9223372036854775808", "18446744073709551616", "-9223372036854775809"),
    *("9007199254740993.0", "5e-324", "1.7976931348623157e308", HUGE, "-" + HUGE, HUGE + ".5"),
    *("NaN", "Infinity", "-Infinity", "nan", "01", "+1", ".5", "1.", "undefined", "", "'a'"),
    *('""', '" "', '"\\u0000"', '"a\\u0000b"', '"\\ud800"', '"\\udc00x"', '"\\ud83d\\ude00"'),
    *('"\\ud800\\ud800"', '"\\uFFFF"', '"\\u202e"', '"é"', '"\x7f"', '"\t"', '"\\x"', '"open'),
    *('"anon:x"', '"u:ada"', '"a:acme"', '"country=se"', '"all"', '"none"', '"other"', '"*"'),
    *('"2026-03-19T12:00:00Z"', '"2026-03-19T12:00:00.9999999999Z"', '"2026-03-19"', '"20260319"'),
    *('"2026-03-19T24:00:00Z"', '"2026-03-19T12:00:60Z"', '"2026-02-30T00:00:00Z"'),
    *('"1999-12-31T23:59:59.999Z"', '"2000-01-01T00:00:00Z"', '"2099-12-31T23:59:59.999Z"'),
    *('"2100-01-01T00:00:00Z"', '"0001-01-01T00:00:00+23:59"', '"9999-12-31T23:59:59-23:59"'),
    *('"2026-03-19T12:00:00+99:99"', '"+002026-03-19T12:00:00Z"', '"-0001-01-01T00:00:00Z"'),
    *("[]", "{}", "[null]", '{"id":1}', '[{"a":[{}]}]', '{"":""}', '{"a":1,"a":2}', "[1,]", "{,}"),
    *("[" * 300 + "]" * 300, '{"a":' * 300 + "1" + "}" * 300, "[" * 2000, '"' + "x" * 999 + '"'),
    *('"' + "x" * 1001 + '"', '"' + "é" * 5000 + '"', '"' + "\\u0000" * 500 + '"'),
)
"""Values as they stand in JSON, and things that look like values."""

PLACES: Final = (
    *("type", "event", "name", "userId", "anonymousId", "previousId", "groupId", "messageId"),
    *("timestamp", "originalTimestamp", "sentAt", "receivedAt", "context", "properties", "traits"),
    *("context.groupId", "context.traits", "properties.country", "properties.feature"),
    *("properties.size", "properties.size.kb", "properties.durationMs", "properties.name"),
    *("traits.internal", "traits.email", "traits.role", "batch", "integrations", "\\u0000", ""),
)
TYPES: Final = ("track", "track", "track", "page", "screen", "identify", "group", "alias")
NAMES: Final = ("Opened", "Made", "Shared", "Invite Sent")
PIECES: Final = (
    *(b"", b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\x00", b"\\ud800", b"null"),
    *(b'"', b"{", b"]", b"}", b",", b":", b"9" * 30, b"-", b"1e999", b"NaN", b"\\", b"\n"),
)

FLOOD = 50_000
"""Records of one flood, for all plans together."""


def records(seed: int, time_unit: str) -> Iterator[bytes]:
    """Endless; the same for the same seed."""
    chance = Chance(seed, time_unit)
    for number in range(1 << 62):
        yield record(chance, number)


class Chance(random.Random):
    """Chance, and how good records write their times."""

    def __init__(self, seed: int, time_unit: str) -> None:
        super().__init__(seed)
        self._time_unit = time_unit
        self.good = b""
        """The latest good record."""

    def time(self) -> str | float:
        """Within 24 days, of which the horizon leaves 20."""
        time_ms = NOW_MS - self.randrange(24 * DAY_MS)
        if self._time_unit == "iso":
            return iso(time_ms)
        return time_ms if self._time_unit == "ms" else time_ms / 1000


def record(chance: Chance, number: int) -> bytes:
    """The first are every odd value in every place; then whatever chance brings."""
    if number < len(ODD) * len(PLACES):
        place, odd = divmod(number, len(ODD))
        return written(call(chance, number), {PLACES[place]: ODD[odd]})
    kind = chance.random()
    if kind < 0.25:
        chance.good = written(call(chance, number), {})
        return chance.good
    if kind < 0.28:
        return chance.good  # once more
    if kind < 0.65:
        few = chance.sample(PLACES, chance.choice((1, 1, 2, 3)))
        return written(call(chance, number), {place: chance.choice(ODD) for place in few})
    if kind < 0.85:
        return damaged(written(call(chance, number), {}), chance)
    if kind < 0.92:
        return chance.randbytes(chance.choice((0, 1, 5, 40, 300)))
    if kind < 0.96:
        return batch(chance, number)
    if kind < 0.9999:
        return chance.choice(ODD).encode()
    return large(chance, number)


def call(chance: Chance, number: int | str) -> dict[str, Any]:
    """A good one, of one of few users, so that bad ones meet it in the same state."""
    user = chance.randrange(60)
    return {
        "type": chance.choice(TYPES),
        "event": chance.choice(NAMES),
        "userId": f"user-{user}" if chance.random() < 0.7 else None,
        "anonymousId": f"visitor-{user}",
        "previousId": f"visitor-{chance.randrange(60)}",
        "groupId": f"acme-{user % 9}",
        "messageId": f"message-{number}",
        "timestamp": chance.time(),
        "context": {"groupId": f"acme-{user % 9}"},
        "properties": {"country": "se", "feature": "map", "size": {"kb": 3}, "durationMs": 9},
        "traits": {"internal": False, "email": "a@b.example", "role": "guest"},
    }


def written(good: dict[str, Any], odd: dict[str, str]) -> bytes:
    """`odd`: dotted place to what shall stand there, as it is."""
    marks = {}
    for number, (place, value) in enumerate(odd.items()):
        *way, last = place.split(".")
        inside = good
        for key in way:
            if not isinstance(inside.get(key), dict):
                inside[key] = {}
            inside = inside[key]
        inside[last] = mark = f"MARK{number}"
        marks[f'"{mark}"'] = value
    text = json.dumps(good)
    for mark, value in marks.items():
        text = text.replace(mark, value)
    return text.encode()


def damaged(value: bytes, chance: Chance) -> bytes:
    """Pieces are cut out, and others put in."""
    damaged = bytearray(value)
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(damaged) + 1)
        damaged[start : start + chance.choice((0, 1, 1, 2, 10, 200))] = chance.choice(PIECES)
    return bytes(damaged)


def batch(chance: Chance, number: int) -> bytes:
    """Several calls in one record, some of them odd."""
    calls = [
        written(call(chance, number), {chance.choice(PLACES): chance.choice(ODD)}),
        *(written(call(chance, f"{number}-{part}"), {}) for part in range(chance.randrange(4))),
    ]
    joined = b"[" + b",".join(calls) + b"]"
    return joined if chance.random() < 0.5 else b'{"batch":' + joined + b"}"


def large(chance: Chance, number: int) -> bytes:
    """10 MB, of one text, of nesting, or of white space; or just what an event may have."""
    size = chance.choice((10_000_000, 10_000_000, 1_048_000))
    filled = chance.choice(('"' + "x" * size + '"', "[" * size, " " * size + "1"))
    return written(call(chance, number), {chance.choice(PLACES): filled})


def plans() -> dict[str, Plan]:
    """One a format, and for mapping one a unit of time; one with users that are left out."""
    found = {"segment": load_plan(PLAN), "segment without staff": load_plan(PLAN + STAFF)}
    for unit in ("iso", "s", "ms"):
        how = f"format: mapping, time_unit: {unit}, fields: {FIELDS}"
        found[f"mapping {unit}"] = load_plan(PLAN.replace("format: segment", how))
    return found


def is_counted(event: Event) -> bool:
    """By the rules of docs/plan.md: a track call, not too old, not of the future, of usable ids."""
    ids = (event.user, event.anonymous, event.previous, event.account, event.message_id, event.name)
    return (
        event.type == "track"
        and NOW_MS - 20 * DAY_MS <= event.time_ms <= NOW_MS + HOUR_MS
        and all(id is None or len(id) <= 1000 for id in ids)
    )


@dataclass
class Outcome:
    """What became of the records of one format."""

    records: int = 0
    results: int = 0
    """Events and calls refused, as the format by itself tells them apart."""
    counted: int = 0
    duplicates: int = 0
    restarts: int = 0
    dead: Counter[str] = field(default_factory=Counter)


class Flood:
    """Bad records into the engine of a plan."""

    def __init__(self, plan: Plan, seed: int) -> None:
        self._plan, self.outcome = plan, Outcome()
        self._records = records(seed, plan.inputs[0].time_unit)
        fields = plan.inputs[0].fields
        options = {} if fields is None else {"fields": fields.model_dump(exclude_none=True)}
        if fields is not None:
            options["time_unit"] = plan.inputs[0].time_unit
        # Sessions, which are counted here, may be of nobody.
        required = not plan.has_facts_of_nobody
        self._format = format_named(plan.inputs[0].format, options, subject_required=required)
        self._begin()

    def _begin(self) -> None:
        self._engine = Engine(self._plan, partitions=2, bounded=True)
        self._fed = self._due = 0
        self._uses = 0
        self._now_ms = NOW_MS
        self._duplicates = self._taken = self._buried = 0

    def feed(self, count: int, *, restart: bool) -> None:
        """Some records, and a checkpoint. `restart`: all stages are made anew then."""
        some = [next(self._records) for _ in range(count)]
        self._engine.feed(some, now_ms=NOW_MS)
        self._fed += len(some)
        self._due += sum(self._results(value) for value in some)
        self._now_ms += HOUR_MS // 6
        self._engine.settle(self._now_ms)
        if restart:
            self._remember()
            self._engine.restart()
            self.outcome.restarts += 1
        if self._fed >= RECORDS_OF_AN_ENGINE:
            self.end()
            self._begin()

    def _results(self, value: bytes) -> int:
        if len(value) > self._plan.limits.event_bytes:
            return 1
        results = self._format.read(value)
        for result in results:
            self._uses += isinstance(result, Event) and is_counted(result)
        return len(results)

    def _remember(self) -> None:
        """What stages have counted; a restart begins at nothing."""
        for (stage, _), each in self._engine.stages.items():
            if stage == "ingest":
                self._taken += each.events  # type: ignore[attr-defined]
                self._buried += each.dead_letters.total()  # type: ignore[attr-defined]
            elif stage == "accounts":
                self._duplicates += each.duplicates  # type: ignore[attr-defined]

    def end(self) -> None:
        """Raises AssertionError if anything is missing or too much."""
        self._engine.advance(NOW_MS + DAY_MS)
        self._engine.settle(self._now_ms + HOUR_MS)
        self._remember()
        letters = [orjson.loads(letter) for letter in self._engine.outputs["dead-letters"]]
        counted = sum(
            record["value"]
            for key, record in last_of_each_key(self._engine.outputs["kpis"]).items()
            if (key.kpi, key.level, key.segment, key.period)
            == ("sessions", "company", "all", "day")
        )
        told = [letter for letter in letters if letter["code"] in DEAD_LETTER_CODES]
        assert len(told) == len(letters) == self._buried
        assert self._taken + self._buried == self._due
        if not self._plan.exclude_users:
            assert counted + self._duplicates == self._uses
        outcome = self.outcome
        outcome.records += self._fed
        outcome.results += self._due
        outcome.counted += self._taken
        outcome.duplicates += self._duplicates
        outcome.dead.update(letter["code"] for letter in letters)


def flood(
    count: int, seed: int, *, at_once: int = FED_AT_ONCE, restart_every: int = 3
) -> dict[str, Outcome]:
    """As many records for all plans together, shared out among them."""
    floods = {name: Flood(plan, seed + place) for place, (name, plan) in enumerate(plans().items())}
    turn = 0
    while count > 0:
        for each in floods.values():
            some = min(at_once, count)
            count -= some
            each.feed(some, restart=turn % restart_every == restart_every - 1)
        turn += 1
    for each in floods.values():
        each.end()
    return {name: each.outcome for name, each in floods.items()}


def complaints_within(first_seed: int, seconds: float) -> list[str]:
    """Floods of other seeds until the time is over."""
    over, seed, records = time.monotonic() + seconds, first_seed, 0
    complaints = []
    while time.monotonic() < over:
        try:
            records += sum(outcome.records for outcome in flood(FLOOD, seed).values())
        except Exception as error:
            complaints.append(f"seed {seed}: {error!r}")
        seed += 1000
    print(f"{records:,} records", flush=True)
    return complaints


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--records", type=int, default=1_000_000)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    began, cpu = time.monotonic(), time.process_time()
    outcomes = flood(given.records, given.seed)
    for name, outcome in outcomes.items():
        print(
            f"{name}: {outcome.records:,} records, {outcome.results:,} results: "
            f"{outcome.counted:,} events ({outcome.duplicates:,} of them duplicates) and "
            f"{outcome.dead.total():,} dead letters; {outcome.restarts} restarts"
        )
        print("  " + ", ".join(f"{n:,} {code}" for code, n in outcome.dead.most_common()))
    print(f"{time.monotonic() - began:.0f} s, {time.process_time() - cpu:.0f} s of CPU time")


if __name__ == "__main__":
    main()
