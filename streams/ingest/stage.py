"""ingest: raw records to facts, in micro-batches by account. Keeps no state.

What cannot be read, or lies beyond the clock or the horizon, becomes a dead letter with its
original bytes; the stream goes on.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from sys import intern
from typing import Any, NamedTuple

import xxhash

from schemas.batches import (
    Erasure,
    Merge,
    Pointer,
    Traits,
    Values,
)
from schemas.events import EMPTY_OBJECT, Event, Rejected
from schemas.fact_kinds import THING_KINDS
from schemas.formats import Format
from schemas.keys import ANONYMOUS, USER, account_key, leaf_key, nobody_key, thing_key
from schemas.outputs import DEAD_LETTERS, dead_letter_record
from schemas.plan.models import (
    CONSENT_TRAIT,
    Input,
)
from schemas.properties import MISSING
from schemas.times import DAY_MS, iso
from streams.compiled_plan import CompiledPlan
from streams.erasure import requested
from streams.fact_batches import ROUTES_MAX, Code, FactBatches, Member, Row
from streams.ingest.amounts import Unconvertible
from streams.ingest.interpreter import Interpreter
from streams.roles import FACTS_ROLE
from streams.stage import Flushed, Outgoing, RecordBatch
from streams.watermark import ASIDE_MS, Announcements

NEVER_MS = 1 << 62
ID_CHARACTERS_MAX = 1000
"""Ids are keys of state and travel in every batch; longer ones are a mistake of the sender."""
_IDS = ("user id", "anonymous id", "previous id", "account id", "message id", "event name")

_Ids = tuple[str | None, str | None, str | None]
"""(account, user, anonymous)"""
_NOBODY: _Ids = None, None, None
_NOTHING = Code((), ())
_OF_NOBODY = Rejected(
    "missing_user",
    "Neither a user nor an anonymous id nor an account, and the plan makes nothing of it that "
    "could do without.",
)


_OF_NOBODY_TO_ERASE = {
    whom: Rejected(
        "missing_subject",
        f"The plan takes the event for a request to erase its {whom}, and it names none: "
        f"send the {whom}.",
    )
    for whom in ("user", "account")
}
_CONSENT_OF_NOBODY = Rejected(
    "missing_subject",
    "The plan takes the event for a word on its user's consent, and it names none: send the user.",
)


_MERGE_OF_NOBODY = Rejected(
    "missing_subject",
    "The plan takes the event for a word that an account belongs to another one, and it does not "
    "name both: send the account, and the id of the other one, or null.",
)


class _Target(NamedTuple):
    """Where the rows of a member go."""

    rows: list[Row]
    member: Member


class Ingest:
    """One partition of one input."""

    members_changed = 0
    """It holds none."""

    def __init__(
        self,
        compiled: CompiledPlan,
        format: Format,
        *,
        source: str,
        partitions: int,
        input: Input | None = None,
        bounded: bool = True,
        throttled: bool = True,
        until: Callable[[], int | None] = lambda: None,
        finite: bool = False,
    ) -> None:
        """`partitions`: of the accounts stage. `bounded` False: no fact is too old (a replay).

        `input`: one of the plan's, by default the first. `until`: where the source stands at its
        end (ms); it is never idle then. None: it is live. `finite`: at its end it steps aside at
        once, and time stays what the events say.
        """
        plan = compiled.plan
        input = input or plan.inputs[0]
        self._input, self._id_prefix = input.name, input.id_prefix
        self._drives = input.drives_watermark
        self._interpreter = Interpreter(plan, input)
        self._read, self._usual = format.read, format.usual
        self._announcements = Announcements(compiled.hash, source, throttled=throttled)
        self._disorder_ms = plan.watermark.disorder_ms
        self._future_ms = plan.watermark.future_limit_ms
        self._idle_after_ms = plan.watermark.idle_after_ms
        self._event_bytes = plan.limits.event_bytes
        self._usual_bytes = min(self._event_bytes, ID_CHARACTERS_MAX)
        """In a record of so many bytes no id is too long."""
        days = plan.horizons.entity_days
        self._horizon_ms = days * DAY_MS if bounded and days is not None else NEVER_MS
        self._until, self._finite = until, finite
        self._dated = bounded
        """The time of a record says when its events arrived; that of a file's lines does not."""
        self._partitions = partitions
        self._out = FactBatches(FACTS_ROLE, partitions)
        self._pseudonyms = compiled.pseudonyms
        self._splits = plan.erasure is not None
        """True: things have to know which accounts their facts name."""
        self._dead: list[Outgoing] = []
        self._to_erase: list[Erasure] = []
        self._targets: dict[_Ids, _Target] = {}
        self._newest_ms = -NEVER_MS
        self._first_fact_ms = NEVER_MS
        self._at_end = False
        self._read_since_flush = False
        self._last_read_ms: int | None = None
        self.events = self.facts = 0
        self.dead_letters: Counter[str] = Counter()
        """How many, by code."""

    @property
    def newest_event_ms(self) -> int | None:
        """Time of the newest event that was not rejected."""
        return None if self._newest_ms == -NEVER_MS else self._newest_ms

    @property
    def watermark_ms(self) -> int | None:
        until_ms = self._until() if self._at_end else None
        if until_ms is not None:
            return until_ms
        if not self._drives or self._newest_ms == -NEVER_MS:
            return None
        return self._newest_ms - self._disorder_ms

    def restore(self, key: bytes, value: bytes) -> None:
        """ingest keeps no state, so there is none to take back."""

    def restored(self) -> None:
        """Nothing to do."""

    def process(self, batch: RecordBatch) -> None:
        self._at_end = batch.at_end
        self._read_since_flush = self._read_since_flush or bool(batch.values)
        usual, plain = self._usual, self._interpreter.plain
        oldest, newest = -self._horizon_ms, self._future_ms
        for value, offset, record_ms in zip(
            batch.values, batch.offsets, batch.timestamps_ms, strict=True
        ):
            if value is None:
                continue  # a tombstone in a compacted input says nothing about use
            if plain and len(value) <= self._usual_bytes:
                found = usual(value)
                if found is not None:
                    name, time_ms, ids, event_id = found
                    code = plain.get(name)
                    if code is not None and oldest <= time_ms - record_ms <= newest:
                        target = self._targets.get(ids) or self._target(ids)
                        self._add(target, time_ms, record_ms, code, event_id, ())
                        continue
            self._read_whole(value, record_ms, batch, offset)

    def _add(
        self,
        target: _Target,
        time_ms: int,
        record_ms: int,
        code: Code,
        event_id: str,
        values: Values,
    ) -> None:
        """Notes an event, and its facts if it means something."""
        self.events += 1
        moment = time_ms if time_ms < record_ms else record_ms
        if moment > self._newest_ms:
            self._newest_ms = moment
        if not code.facts:
            return
        target.rows.append((target.member, time_ms, code, event_id, values))
        self.facts += code.facts
        if time_ms < self._first_fact_ms:
            self._first_fact_ms = time_ms

    def _read_whole(self, value: bytes, record_ms: int, batch: RecordBatch, offset: int) -> None:
        if len(value) > self._event_bytes:
            self._bury(value, self._too_large(), batch, offset)
            return
        received_ms = record_ms if self._dated else None
        for number, event in enumerate(self._read(value, received_ms)):
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
        if (
            time_ms > record_ms + self._future_ms
            or time_ms < record_ms - self._horizon_ms
            or (len(value) > ID_CHARACTERS_MAX and _too_long(event) is not None)
        ):
            self._bury(value, self._refused(event, record_ms), batch, offset)
            return
        try:
            code, values = self._interpreter.code(event)
        except Unconvertible as error:
            self._bury(value, error.rejected, batch, offset)
            return
        # What a group call says is of its account, whoever said it.
        of_user = (event.user, event.anonymous) if event.type != "group" else (None, None)
        ids = event.account, *of_user
        if self._pseudonyms is not None:
            self._pseudonyms.put_on(event)
        to_erase: list[str] = []
        for whom in self._interpreter.to_erase.said(event):
            key = _named(event, whom)
            if key is None:
                self._bury(value, _OF_NOBODY_TO_ERASE[whom], batch, offset)
                return
            to_erase.append(key)
        on_consent = self._interpreter.on_consent.said(event)
        if on_consent and event.user is None and event.anonymous is None:
            self._bury(value, _CONSENT_OF_NOBODY, batch, offset)
            return
        into = self._interpreter.merged_into(event)
        if into is not MISSING and not _is_merge(event.account, into):
            self._bury(value, _MERGE_OF_NOBODY, batch, offset)
            return
        if ids == _NOBODY:
            code, values = self._interpreter.of_nobody(code, values)
            if not code.meaning:
                self._bury(value, _OF_NOBODY, batch, offset)
                return
        event_id = event.message_id
        if event_id is None:
            event_id = f"{xxhash.xxh3_64_hexdigest(value)}-{number}"
        event_id = self._id_prefix + event_id
        if to_erase:
            self._to_erase += [Erasure(event_id, key, time_ms) for key in to_erase]
        if to_erase or on_consent:
            code, values = _NOTHING, ()
        if into is not MISSING:
            self._add_merge(event, into, event_id)
        target = self._target_of_nobody(code) if ids == _NOBODY else self._targets.get(ids)
        self._add(target or self._target(ids), time_ms, record_ms, code, event_id, values)
        self._add_things(event, time_ms, code, event_id, values)
        if event.type != "track" or event.traits is not EMPTY_OBJECT or on_consent:
            self._take_told(event, event_id, on_consent)

    def _target(self, ids: _Ids) -> _Target:
        """`ids`: as the event has them."""
        if len(self._targets) >= ROUTES_MAX:
            self._targets.clear()
        raw_account, raw_user, raw_anonymous = ids
        account, user, anonymous = ids
        if self._pseudonyms is not None:
            account = self._pseudonyms.account(account)
            user, anonymous = self._pseudonyms.user(user), self._pseudonyms.user(anonymous)
        key, leaf = _member(account, user, anonymous)
        rows = self._out.rows(self._out.partition_of(key or leaf))
        # Those of one account share its texts, which would be a third of what is remembered.
        target = _Target(rows, (intern(key), leaf))
        self._targets[raw_account and intern(raw_account), raw_user, raw_anonymous] = target
        return target

    def _target_of_nobody(self, code: Code) -> _Target:
        member = nobody_key(code.meaning[0][0]), ""
        return _Target(self._out.rows(self._out.partition_of(member[0])), member)

    def _add_merge(self, event: Event, into: str | None, event_id: str) -> None:
        """Tells all accounts that one belongs to another."""
        assert event.account is not None
        if self._pseudonyms is not None:
            into = self._pseudonyms.account(into)
        key, host = account_key(event.account), None if into is None else account_key(into)
        merge = Merge(key, None if host == key else host, event.time_ms, event_id)
        self._out.add_merge_for_all(merge)

    def _add_things(
        self, event: Event, time_ms: int, code: Code, event_id: str, values: Values
    ) -> None:
        """Sends each fact of a thing to where the facts of that thing meet, too."""
        told_by = account_key(event.account) if self._splits and event.account is not None else ""
        for number, fact in enumerate(code.meaning):
            kind, id, _ = fact
            if kind in THING_KINDS and id is not None:
                key = thing_key(kind, id)
                of_thing = self._interpreter.of_thing(fact, code.segments)
                value = values[number : number + 1]
                self._out.add_row(key, ((key, told_by), time_ms, of_thing, event_id, value))

    def _take_told(self, event: Event, event_id: str, on_consent: Sequence[str]) -> None:
        """What an event says of a user: traits, consent, and who it is."""
        account, leaf = _member(event.account, event.user, event.anonymous)
        key = account or leaf
        traits = self._interpreter.traits(event) if leaf else {}
        if on_consent:
            traits[CONSENT_TRAIT] = on_consent[-1]  # said both: withdrawn
        if traits:
            told = Traits(account, leaf, event.time_ms, event_id, traits)
            self._out.add_traits(key, told)
        if event.type in ("identify", "alias") and event.user is not None:
            for pointed in _identified(event):
                pointer = Pointer(account, pointed, USER + event.user, event.time_ms, event_id)
                self._out.add_pointer(key, pointer)

    def _too_large(self) -> Rejected:
        return Rejected(
            "too_large",
            f"the record is longer than the {self._event_bytes} bytes that limits.event_bytes "
            "allows; send smaller events, or raise the limit",
        )

    def _refused(self, event: Event, record_ms: int) -> Rejected:
        """Why an event that can be read is no fact."""
        if event.time_ms > record_ms + self._future_ms:
            return Rejected(
                "future_time",
                f"the event is dated {iso(event.time_ms)}, more than watermark.future_limit after "
                f"the record's time {iso(record_ms)}; correct the sender's clock",
            )
        if event.time_ms < record_ms - self._horizon_ms:
            return Rejected(
                "beyond_horizon",
                f"the event is dated {iso(event.time_ms)}, further back than horizon.entity_days; "
                "replay it with `headwater replay`, or set `horizon: all`",
            )
        return Rejected(
            "too_large",
            f"the {_too_long(event)} is longer than {ID_CHARACTERS_MAX} characters",
        )

    def _bury(self, value: bytes, rejected: Rejected, batch: RecordBatch, offset: int) -> None:
        self.dead_letters[rejected.code] += 1
        record = dead_letter_record(
            value,
            rejected.code,
            rejected.reason,
            batch.origin,
            batch.partition,
            offset,
            self._input,
        )
        self._dead.append(Outgoing(DEAD_LETTERS, None, None, record))

    def flush(self, now_ms: int) -> Flushed:
        if self._read_since_flush or self._last_read_ms is None:
            self._last_read_ms, self._read_since_flush = now_ms, False
        idle_until_ms = None
        idle = self._at_end and now_ms - self._last_read_ms >= self._idle_after_ms
        closing = self._at_end and self._until() is not None
        if self._finite:
            idle_until_ms = ASIDE_MS if self._at_end else None
        elif idle and not closing and self._drives:
            idle_until_ms = now_ms - self._disorder_ms
        announcements = self._announcements
        first_fact_ms = None if self._first_fact_ms == NEVER_MS else self._first_fact_ms
        header = announcements.header(self.watermark_ms, first_fact_ms, idle_until_ms)
        to_all = announcements.due(header, now_ms, urgent=closing)
        records, self._dead = self._dead, []
        records.extend(requested(self._to_erase, header.plan, FACTS_ROLE, self._partitions))
        self._to_erase = []
        records.extend(self._out.take_records(header, to_all=to_all))
        return Flushed([], records)


def _member(account: str | None, user: str | None, anonymous: str | None) -> Member:
    return "" if account is None else account_key(account), leaf_key(user, anonymous) or ""


def _named(event: Event, whom: str) -> str | None:
    """The key of the user, or the account, that an event names."""
    if whom == "account":
        return None if event.account is None else account_key(event.account)
    return leaf_key(event.user, event.anonymous)


def _identified(event: Event) -> list[str]:
    """The leaves that an identify or alias call joins to its user, other than the user itself."""
    if event.previous is not None:
        leaves = [ANONYMOUS + event.previous, USER + event.previous]
    else:
        leaves = [ANONYMOUS + event.anonymous] if event.anonymous is not None else []
    return [leaf for leaf in leaves if leaf != USER + (event.user or "")]


def _is_merge(account: str | None, into: Any) -> bool:
    """Whether both are ids of accounts; `into` may be None."""
    if account is None or not isinstance(into, str | None):
        return False
    return into is None or len(into) <= ID_CHARACTERS_MAX


def _too_long(event: Event) -> str | None:
    """Which id of an event is longer than one may be."""
    ids = (event.user, event.anonymous, event.previous, event.account, event.message_id, event.name)
    for what, id in zip(_IDS, ids, strict=True):
        if id is not None and len(id) > ID_CHARACTERS_MAX:
            return what
    return None
