"""ingest: raw records to facts, in micro-batches by account. Keeps no state.

What cannot be read, or lies beyond the clock or the horizon, becomes a dead letter with its
original bytes; the stream goes on.
"""

from collections.abc import Callable
from typing import Any

import msgspec
import xxhash

from schemas.batches import Pointer, Traits
from schemas.events import EMPTY_OBJECT, Event, Rejected
from schemas.formats import Format
from schemas.keys import ANONYMOUS, USER, account_key, leaf_key
from schemas.outputs import DEAD_LETTERS, dead_letter_record
from schemas.plan.conditions import Predicate, compile_where, pattern_matcher
from schemas.plan.models import (
    TRAITS_PREFIX,
    FirstActivity,
    NameConst,
    NameFromProperty,
    Plan,
    Rule,
    Selector,
)
from schemas.properties import extractor
from schemas.times import DAY_MS, iso
from streams.compiled_plan import CompiledPlan
from streams.fact_batches import FactBatches, Meaning
from streams.segments import bounded_value, shown_value
from streams.stage import Flushed, Outgoing, RecordBatch
from streams.watermark import Announcements

FACTS_ROLE = "activity"
NAMES_MAX = 100_000
"""Event names, or combinations of segments, that are remembered at a time."""
ID_CHARACTERS_MAX = 1000
"""Ids are keys of state and travel in every batch; longer ones are a mistake of the sender."""
_IDS = ("user id", "anonymous id", "previous id", "account id", "message id", "event name")


class Interpreter:
    """What the events of a plan mean: facts, segments and the traits the plan reads."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._first_is_activity = isinstance(plan.first_action, FirstActivity)
        self._by_name: dict[tuple[str, str], Callable[[Event], Meaning] | Meaning] = {}
        self._dimensions = [d.name for d in plan.segments if d.property is not None]
        paths = [d.property for d in plan.segments if d.property is not None]
        self._segment_values = extractor(paths) if paths else None
        excluding = {c.path.removeprefix(TRAITS_PREFIX) for c in plan.exclude_users}
        dimensions = {d.trait for d in plan.segments if d.trait is not None}
        self._trait_paths = sorted(excluding | dimensions)
        self._trait_values = extractor(self._trait_paths) if self._trait_paths else None
        self._segments_of: dict[tuple[str, ...], tuple[str, ...]] = {}

    def meaning(self, event: Event) -> Meaning:
        """The facts of an event, possibly none."""
        known = self._by_name.get((event.type, event.name))
        if known is None:
            if len(self._by_name) >= NAMES_MAX:
                self._by_name.clear()
            known = self._by_name[event.type, event.name] = self._compile(event.type, event.name)
        return known if isinstance(known, tuple) else known(event)

    def segments(self, event: Event) -> tuple[str, ...]:
        """`dimension=value` of every property dimension."""
        if self._segment_values is None:
            return ()
        values = tuple(map(shown_value, self._segment_values(event.properties)))
        found = self._segments_of.get(values)
        if found is None:
            if len(self._segments_of) >= NAMES_MAX:
                self._segments_of.clear()
            pairs = zip(self._dimensions, values, strict=True)
            found = self._segments_of[values] = tuple(f"{d}={v}" for d, v in pairs)
        return found

    def traits(self, event: Event) -> dict[str, Any]:
        """The traits of a user that the plan reads; those of a group call are the account's."""
        if self._trait_values is None or event.type == "group" or event.traits == EMPTY_OBJECT:
            return {}
        values = self._trait_values(event.traits)
        return {
            path: bounded_value(value)
            for path, value in zip(self._trait_paths, values, strict=True)
            if isinstance(value, str | bool | int | float | None)
        }

    def _compile(self, type: str, name: str) -> Callable[[Event], Meaning] | Meaning:
        """One function for all events of a type and name; a plain list if nothing else counts."""
        excluded = [s for s in self._plan.exclude_events if _selects(s, type, name)]
        rules = [r for r in self._plan.rules if _selects(r.selector, type, name)]
        if not any(s.where for s in excluded) and excluded:
            return ()
        fixed = not excluded and all(_is_fixed(rule) for rule in rules)
        tests = [compile_where(s.where) for s in excluded]
        steps = [(compile_where(r.selector.where), _facts_of(r)) for r in rules]

        def meaning(event: Event) -> Meaning:
            documents = _Documents(event)
            if any(documents.meet(test) for test in tests):
                return ()
            facts: dict[tuple[str, str | None], None] = {}
            for test, made in steps:
                if documents.meet(test):
                    facts.update(dict.fromkeys(made(event)))
            if self._first_is_activity and ("activity", None) in facts:
                facts["first_action", None] = None
            return tuple(facts)

        return meaning(_NAMELESS) if fixed else meaning


class _Documents:
    """Properties and traits of an event, decoded when first needed."""

    def __init__(self, event: Event) -> None:
        self._event = event
        self._decoded: tuple[dict[str, Any], dict[str, Any]] | None = None

    def meet(self, test: Predicate | None) -> bool:
        """True if a selector's conditions hold; None are none."""
        if test is None:
            return True
        if self._decoded is None:
            self._decoded = _object(self._event.properties), _object(self._event.traits)
        return test(*self._decoded)


def _facts_of(rule: Rule) -> Callable[[Event], list[tuple[str, str | None]]]:
    """What a rule makes of an event that it selects."""
    fixed = [
        (fact.kind, fact.name.name if fact.name else None)
        for fact in rule.facts
        if not isinstance(fact.name, NameFromProperty)
    ]
    named = [(f.kind, f.name.path) for f in rule.facts if isinstance(f.name, NameFromProperty)]
    if not named:
        return lambda event: [*fixed]
    names = extractor([path for _, path in named])

    def facts(event: Event) -> list[tuple[str, str | None]]:
        found: list[tuple[str, str | None]] = [*fixed]
        for (kind, _), value in zip(named, names(event.properties), strict=True):
            if isinstance(value, str | int | float) and not isinstance(value, bool):
                found.append((kind, shown_value(value)))
        return found

    return facts


def _object(raw: msgspec.Raw) -> dict[str, Any]:
    try:
        decoded: dict[str, Any] = msgspec.json.decode(raw, type=dict)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    return decoded


_NAMELESS = Event(
    "track", "", 0, None, None, None, None, None, msgspec.Raw(b"{}"), msgspec.Raw(b"{}")
)


def _is_fixed(rule: Rule) -> bool:
    return not rule.selector.where and all(
        fact.name is None or isinstance(fact.name, NameConst) for fact in rule.facts
    )


def _selects(selector: Selector, type: str, name: str) -> bool:
    if type not in ("track", "page", "screen"):
        return False
    if selector.type not in ("any", type):
        return False
    return pattern_matcher(selector.pattern)(name)


class Ingest:
    """One partition of one input."""

    def __init__(
        self,
        compiled: CompiledPlan,
        format: Format,
        *,
        source: str,
        partitions: int,
        bounded: bool = True,
        throttled: bool = True,
        until: Callable[[], int | None] = lambda: None,
    ) -> None:
        """`partitions`: of the accounts stage. `bounded` False: no fact is too old (a replay).

        `until`: where the source stands at its end (ms); it is never idle then. None: it is live.
        """
        plan = compiled.plan
        self._interpreter = Interpreter(plan)
        self._read = format.read
        self._announcements = Announcements(compiled.hash, source, throttled=throttled)
        self._disorder_ms = plan.watermark.disorder_ms
        self._future_ms = plan.watermark.future_limit_ms
        self._idle_after_ms = plan.watermark.idle_after_ms
        self._event_bytes = plan.limits.event_bytes
        days = plan.horizons.entity_days
        self._horizon_ms = days * DAY_MS if bounded and days is not None else None
        self._until = until
        self._out = FactBatches(FACTS_ROLE, partitions)
        self._dead: list[Outgoing] = []
        self._newest_ms: int | None = None
        self._first_fact_ms: int | None = None
        self._at_end = False
        self._read_since_flush = False
        self._last_read_ms: int | None = None
        self.events = self.facts = self.dead_letters = 0

    @property
    def newest_event_ms(self) -> int | None:
        """Time of the newest event that was not rejected."""
        return self._newest_ms

    @property
    def watermark_ms(self) -> int | None:
        until_ms = self._until() if self._at_end else None
        if until_ms is not None:
            return until_ms
        return None if self._newest_ms is None else self._newest_ms - self._disorder_ms

    def restore(self, key: bytes, value: bytes) -> None:
        """ingest keeps no state, so there is none to take back."""

    def restored(self) -> None:
        """Nothing to do."""

    def process(self, batch: RecordBatch) -> None:
        self._at_end = batch.at_end
        self._read_since_flush = self._read_since_flush or bool(batch.values)
        read, limit = self._read, self._event_bytes
        for value, offset, record_ms in zip(
            batch.values, batch.offsets, batch.timestamps_ms, strict=True
        ):
            if value is None:
                continue  # a tombstone in a compacted input says nothing about use
            if len(value) > limit:
                rejected = Rejected(
                    "too_large",
                    f"the record is longer than the {limit} bytes that limits.event_bytes allows; "
                    "send smaller events, or raise the limit",
                )
                self._bury(value, rejected, batch, offset)
                continue
            for number, event in enumerate(read(value)):
                if isinstance(event, Rejected):
                    self._bury(value, event, batch, offset)
                else:
                    self._take(event, value, number, record_ms, batch, offset)

    def _take(
        self,
        event: Event,
        value: bytes,
        number: int,
        record_ms: int,
        batch: RecordBatch,
        offset: int,
    ) -> None:
        time_ms = event.time_ms
        if time_ms > record_ms + self._future_ms:
            reason = (
                f"the event is dated {iso(time_ms)}, more than watermark.future_limit after the "
                f"record's time {iso(record_ms)}; correct the sender's clock"
            )
            self._bury(value, Rejected("future_time", reason), batch, offset)
            return
        if self._horizon_ms is not None and time_ms < record_ms - self._horizon_ms:
            reason = (
                f"the event is dated {iso(time_ms)}, further back than horizon.entity_days; "
                "replay it with `headwater replay`, or set `horizon: all`"
            )
            self._bury(value, Rejected("beyond_horizon", reason), batch, offset)
            return
        too_long = _too_long(event)
        if too_long is not None:
            reason = f"the {too_long} is longer than {ID_CHARACTERS_MAX} characters"
            self._bury(value, Rejected("too_large", reason), batch, offset)
            return
        self.events += 1
        moment = min(time_ms, record_ms)
        if self._newest_ms is None or moment > self._newest_ms:
            self._newest_ms = moment
        meaning = self._interpreter.meaning(event)
        leaf = leaf_key(event.user, event.anonymous)
        traits = self._interpreter.traits(event) if leaf is not None else {}
        identifies = event.type in ("identify", "alias")
        if not (meaning or traits or identifies):
            return
        account = account_key(event.account) if event.account is not None else ""
        event_id = event.message_id
        if event_id is None:
            event_id = f"{xxhash.xxh3_64_hexdigest(value)}-{number}"
        key = account or leaf or ""
        if meaning:
            self.facts += len(meaning)
            if self._first_fact_ms is None or time_ms < self._first_fact_ms:
                self._first_fact_ms = time_ms
            segments = self._interpreter.segments(event)
            self._out.add_row(key, (account, leaf or ""), time_ms, meaning, segments, event_id)
        if traits and leaf is not None:
            self._out.add_traits(key, Traits(account, leaf, time_ms, event_id, traits))
        if identifies and event.user is not None:
            for pointed in _identified(event):
                pointer = Pointer(account, pointed, USER + event.user, time_ms, event_id)
                self._out.add_pointer(key, pointer)

    def _bury(self, value: bytes, rejected: Rejected, batch: RecordBatch, offset: int) -> None:
        self.dead_letters += 1
        record = dead_letter_record(
            value, rejected.code, rejected.reason, batch.origin, batch.partition, offset
        )
        self._dead.append(Outgoing(DEAD_LETTERS, None, None, record))

    def flush(self, now_ms: int) -> Flushed:
        if self._read_since_flush or self._last_read_ms is None:
            self._last_read_ms, self._read_since_flush = now_ms, False
        idle_until_ms = None
        idle = self._at_end and now_ms - self._last_read_ms >= self._idle_after_ms
        closing = self._at_end and self._until() is not None
        if idle and not closing:
            idle_until_ms = now_ms - self._disorder_ms
        announcements = self._announcements
        header = announcements.header(self.watermark_ms, self._first_fact_ms, idle_until_ms)
        to_all = announcements.due(header, now_ms, urgent=closing)
        records, self._dead = self._dead, []
        records.extend(self._out.take_records(header, to_all=to_all))
        return Flushed([], records)


def _identified(event: Event) -> list[str]:
    """The leaves that an identify or alias call joins to its user, other than the user itself."""
    if event.previous is not None:
        leaves = [ANONYMOUS + event.previous, USER + event.previous]
    else:
        leaves = [ANONYMOUS + event.anonymous] if event.anonymous is not None else []
    return [leaf for leaf in leaves if leaf != USER + (event.user or "")]


def _too_long(event: Event) -> str | None:
    """Which id of an event is longer than one may be."""
    ids = (event.user, event.anonymous, event.previous, event.account, event.message_id, event.name)
    for what, id in zip(_IDS, ids, strict=True):
        if id is not None and len(id) > ID_CHARACTERS_MAX:
            return what
    return None
