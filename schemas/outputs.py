"""What Headwater writes for others to read, to the letter of docs/outputs.md.

KPI values, lists, signals, alerts and dead letters; the same JSON on topics and in the files of a
replay.
"""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec
import orjson

from schemas.times import DAY_MS, iso

KPIS = "kpis"
LISTS = "lists"
SIGNALS = "signals"
ALERTS = "alerts"
DEAD_LETTERS = "dead-letters"
RECEIPTS = "receipts"
ROLES = (KPIS, LISTS, SIGNALS, ALERTS, DEAD_LETTERS, RECEIPTS)
UNDELIVERED = "undelivered-alerts"
"""Written by the delivery of alerts alone."""

REFUSED, GAVE_UP, UNREADABLE = "refused", "gave_up", "unreadable"
UNDELIVERED_CODES = {
    REFUSED: "the receiver will never take it: an answer from 300 to 499 other than 408, 425 and "
    "429, or a mail server's 500 and above",
    GAVE_UP: "no attempt succeeded within the sink's `give_up_after`",
    UNREADABLE: "the record on the topic of alerts is no alert",
}
"""Why an alert was not delivered."""

ID_HEX_DIGITS = 32
EVIDENCE_IDS_MAX = 20

Number = int | float

_encode = msgspec.json.Encoder().encode
"""Records are kept until they are durable; orjson's bytes would keep the buffer they grew in."""


def canonical_json(value: Any) -> bytes:
    """One spelling for equal values: sorted keys, no spaces, UTF-8."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def deterministic_id(*parts: Any) -> str:
    """The first 32 hex digits of BLAKE2b over the canonical JSON array of the parts."""
    return blake2b(canonical_json(parts)).hexdigest()[:ID_HEX_DIGITS]


class KpiKey(NamedTuple):
    """What identifies a value; the record key is the JSON array of these fields."""

    kpi: str
    variant: str | None
    level: str
    subject: str | None
    segment: str
    period: str
    start_ms: int
    end_ms: int


class Published(NamedTuple):
    """The part of a value that a revision counts."""

    value: Number | None
    parts: dict[str, Any] | None
    status: str
    revision: int


class _Said(msgspec.Struct, gc=False):
    """How a record ends."""

    value: Number | None
    parts: dict[str, Any] | None
    status: str
    revision: int
    updated_at: str


Series = tuple[str, str | None, str, str | None, str, str]
"""What values of a KPI have in common from period to period: the fields of KpiKey before bounds."""


class _Spelled(NamedTuple):
    """JSON that many records have in common."""

    key: bytes
    record: bytes


@lru_cache(1 << 14)
def _series(*fields: str | None) -> _Spelled:
    """How the records of a series begin. `fields`: those of KpiKey before the bounds."""
    named = dict(zip(KpiKey._fields, fields, strict=False))
    return _Spelled(_encode(fields)[:-1], _encode(named)[:-1])


@lru_cache(1 << 14)
def _bounds(bounds_ms: tuple[int, int]) -> _Spelled:
    """How they go on: a key to its end, a record up to its value."""
    start, end = map(iso, bounds_ms)
    return _Spelled(f',"{start}","{end}"]'.encode(), f',"start":"{start}","end":"{end}"'.encode())


def kpi_record_key(key: KpiKey) -> bytes:
    """The record key of a KPI value; with no value it removes what was published."""
    return _series(*key[:6]).key + _bounds(key[6:]).key


class KpiRecords:
    """Records of values and lists that are written at one time.

    From period to period a value is often the very same object, and is spelled once.
    """

    def __init__(self, updated_at_ms: int) -> None:
        self._updated_at = iso(updated_at_ms)
        self._published: Published | None = None
        self._lines: Mapping[str, Any] | None = None
        self._end = self._lines_between = b""

    def value(self, key: KpiKey, published: Published) -> tuple[bytes, bytes]:
        """Record key and value of a KPI value."""
        series, bounds = _series(*key[:6]), _bounds(key[6:])
        end = self._end_of(published)
        return series.key + bounds.key, series.record + bounds.record + end

    def values(
        self, series: Series, bounds: Iterable[tuple[int, int]], published: Published
    ) -> list[tuple[bytes, bytes]]:
        """Record key and value of the same value in several periods; `bounds`: of each."""
        return _records(series, bounds, self._end_of(published))

    def lists(
        self,
        series: Series,
        bounds: Iterable[tuple[int, int]],
        lines: Mapping[str, Any],
        published: Published,
    ) -> list[tuple[bytes, bytes]]:
        """The same of a list, with the keys of the values. `lines`: at its top, at its bottom."""
        if lines is not self._lines:
            self._lines = lines
            top, bottom = _encode(lines["top"]), _encode(lines["bottom"])
            self._lines_between = b',"top":%b,"bottom":%b' % (top, bottom)
        end = self._lines_between + self._state(published.status, published.revision)
        return _records(series, bounds, end)

    def _end_of(self, published: Published) -> bytes:
        if published is not self._published:
            said = _encode(_Said(*published, self._updated_at))
            self._published, self._end = published, b"," + said[1:]
        return self._end

    def _state(self, status: str, revision: int) -> bytes:
        ends = f',"status":"{status}","revision":{revision},"updated_at":"{self._updated_at}"}}'
        return ends.encode()


def _records(
    series: Series, bounds: Iterable[tuple[int, int]], end: bytes
) -> list[tuple[bytes, bytes]]:
    key, record = _series(*series)
    return [(key + of_key, record + of_record + end) for of_key, of_record in map(_bounds, bounds)]


def kpi_record(key: KpiKey, published: Published, updated_at_ms: int) -> tuple[bytes, bytes]:
    """Record key and value of a KPI value."""
    return KpiRecords(updated_at_ms).value(key, published)


class Signal(NamedTuple):
    """Something happened to an account or a user; `account` and `user` as shown outside."""

    id: str
    revision: int
    retracted: bool
    signal: str
    variant: str | None
    account: str | None
    user: str | None
    at_ms: int
    evidence: dict[str, Any]


def signal_record(signal: Signal) -> tuple[bytes, bytes]:
    """Record key (account, else user) and value of a signal."""
    record = {
        "id": signal.id,
        "revision": signal.revision,
        "retracted": signal.retracted,
        "signal": signal.signal,
        "variant": signal.variant,
        "account": signal.account,
        "user": signal.user,
        "at": iso(signal.at_ms),
        "evidence": signal.evidence,
    }
    subject = signal.account if signal.account is not None else signal.user
    return (subject or "").encode(), _encode(record)


class Alert(NamedTuple):
    """Somebody should look, or need not any more."""

    id: str
    kind: str
    """firing, resolved or amended."""
    data: dict[str, Any]


def alert_record(alert: Alert, prefix: str, now_ms: int) -> tuple[bytes, bytes]:
    """Record key (JSON of rule and subject) and value: a CloudEvent 1.0 in JSON."""
    data = alert.data
    record = {
        "specversion": "1.0",
        "id": f"{alert.id}-{data['revision']}",
        "source": f"headwater/{prefix}",
        "type": f"headwater.alert.{alert.kind}",
        "subject": data["subject"],
        "time": iso(now_ms),
        "datacontenttype": "application/json",
        "data": {"id": alert.id, **data},
    }
    if record["subject"] is None:
        del record["subject"]  # CloudEvents knows no null
    return _encode([data["rule"], data["subject"]]), _encode(record)


def dead_letter_record(
    original: bytes,
    code: str,
    reason: str,
    topic: str,
    partition: int,
    offset: int,
    input: str | None = None,
) -> bytes:
    """Value of a dead letter; `original` is kept whole, as base64. `input`: name in the plan."""
    record = {
        "original": b64encode(original).decode(),
        "code": code,
        "reason": reason,
        "topic": topic,
        "partition": partition,
        "offset": offset,
    }
    return _encode(record if input is None else {**record, "input": input})


ERASED_WITHIN_DAYS = 8
"""Whoever is erased is gone from every topic of Headwater after so many days: see 0065."""
BY_AGE = (ALERTS, DEAD_LETTERS, SIGNALS, UNDELIVERED)
"""Outputs of which nothing is removed: their records get too old within that time."""


class Receipt(NamedTuple):
    """A user or an account was erased; `subject` is a keyed hash."""

    request: str
    kind: str
    """user or account"""
    subject: str
    requested_ms: int
    removed: dict[str, int]
    found_later: bool
    inputs: tuple[str, ...]
    """Topics that are the company's own to clear."""
    aggregates: str
    """What became of numbers: correct or keep."""


def receipt_record(receipt: Receipt, now_ms: int) -> tuple[bytes, bytes]:
    """Record key (JSON of request and subject) and value of a receipt."""
    record = {
        "request": receipt.request,
        "kind": receipt.kind,
        "subject": receipt.subject,
        "found_later": receipt.found_later,
        "requested_at": iso(receipt.requested_ms),
        "applied_at": iso(now_ms),
        "removed": dict(sorted(receipt.removed.items())),
        "aggregates": receipt.aggregates,
        "gone_by": iso(now_ms + ERASED_WITHIN_DAYS * DAY_MS),
        "gone_by_age": list(BY_AGE),
        "yours_to_clear": list(receipt.inputs),
    }
    return _encode([receipt.request, receipt.subject]), _encode(record)


class Undelivered(NamedTuple):
    """An alert that a sink did not take."""

    sink: str
    code: str
    reason: str
    attempts: int


def undelivered_record(
    said: Undelivered, original: bytes, topic: str, partition: int, offset: int, now_ms: int
) -> tuple[bytes, bytes]:
    """Record key (the sink) and value of a dead letter of the delivery; laid out as the others."""
    record = {
        "original": b64encode(original).decode(),
        "code": said.code,
        "reason": said.reason,
        "topic": topic,
        "partition": partition,
        "offset": offset,
        "sink": said.sink,
        "attempts": said.attempts,
        "at": iso(now_ms),
    }
    return said.sink.encode(), _encode(record)
