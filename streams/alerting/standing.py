"""What alerts stand, and the records that lead there from what was told before."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from schemas.outputs import Alert, canonical_json, deterministic_id
from schemas.plan.fingerprint import fingerprint
from schemas.times import iso, parse_iso

FIRING, RESOLVED, AMENDED = "firing", "resolved", "amended"
DISPROVED = "disproved"
"""Of an alert that was told, and for which there is no reason any more."""


class Standing(NamedTuple):
    """An alert that follows from values or from a signal."""

    rule: str
    level: str
    subject: str | None
    """The account or user as shown; None: the company."""
    segment: str
    account: str | None
    user: str | None
    at_ms: int
    resolved_ms: int | None
    content: Mapping[str, Any]
    """What a reader is shown: title, values, threshold, evidence."""
    ended: Any = None
    """Evidence of the end, once it has come."""
    beside: Callable[[], Mapping[str, Any]] = dict
    """Gives evidence as it is known when the alert is told: no reason to tell it again."""

    @property
    def id(self) -> str:
        """Hash of (rule, subject, segment, at), and of the signal: several may share an instant."""
        of_signal = self.content["evidence"].get("signal")
        where = (self.rule, self.subject, self.segment, iso(self.at_ms))
        return deterministic_id("alert", *where, *([] if of_signal is None else [of_signal]))

    @property
    def state(self) -> str:
        return FIRING if self.resolved_ms is None else RESOLVED


class Told(NamedTuple):
    """What was said last of an alert."""

    state: str
    revision: int
    fingerprint: str
    last: dict[str, Any]
    """The record, for the one that says that it was wrong."""

    @property
    def at_ms(self) -> int:
        return parse_iso(self.last["at"])

    @property
    def is_over(self) -> bool:
        """True of one on a signal, too, which is of an instant."""
        return self.state != FIRING or "signal" in self.last


def capped(
    standing: Iterable[Standing], day_of: Any, at_most_per_day: int | None
) -> Iterator[Standing]:
    """Without those that are too many for their subject and local day, the earliest first."""
    counts: dict[tuple[str | None, int], int] = {}
    for each in sorted(standing, key=lambda each: (each.at_ms, each.rule, each.id)):
        place = each.subject, day_of(each.at_ms)
        counts[place] = counts.get(place, 0) + 1
        if at_most_per_day is None or counts[place] <= at_most_per_day:
            yield each


def changes(
    standing: Iterable[Standing], told: dict[str, Told], *, held_back: bool, before_ms: int
) -> Iterator[Alert]:
    """The records that lead from what was told to what stands; `told` follows.

    An alert that fired and ended since is told twice, so that whoever counts sees both. One of
    before `before_ms` stays as it was told: the values that it follows from may be forgotten.
    """
    present: set[str] = set()
    for each in standing:
        id = each.id
        present.add(id)
        before = told.get(id)
        if before is None:
            firing = each._replace(resolved_ms=None)
            yield _tell(firing, id, FIRING, FIRING, told, held_back=held_back)
            if each.resolved_ms is not None:
                yield _tell(each, id, RESOLVED, RESOLVED, told, held_back=held_back)
        elif before.fingerprint != _fingerprint(each):
            kind = RESOLVED if (before.state, each.state) == (FIRING, RESOLVED) else AMENDED
            yield _tell(each, id, kind, each.state, told, held_back=held_back)
    for id in [id for id in told if id not in present and told[id].state != DISPROVED]:
        before = told[id]
        if before.at_ms < before_ms:
            continue
        revision = before.revision + 1
        data = before.last | {"state": DISPROVED, "revision": revision, "held_back": held_back}
        told[id] = Told(DISPROVED, revision, "", before.last)
        yield Alert(id, AMENDED, data)


def _tell(
    each: Standing, id: str, kind: str, state: str, told: dict[str, Told], *, held_back: bool
) -> Alert:
    before = told.get(id)
    revision = 1 if before is None else before.revision + 1
    data = {
        "rule": each.rule,
        "state": state,
        "revision": revision,
        "level": each.level,
        "subject": each.subject,
        "account": each.account,
        "user": each.user,
        "segment": each.segment,
        "at": iso(each.at_ms),
        "resolved_at": None if each.resolved_ms is None else iso(each.resolved_ms),
        **each.content,
        "evidence": {
            **each.content["evidence"],
            **({} if state == FIRING or each.ended is None else {"ended": each.ended}),
            **each.beside(),
        },
        "held_back": held_back,
    }
    told[id] = Told(state, revision, _fingerprint(each), data)
    return Alert(id, kind, data)


def _fingerprint(each: Standing) -> str:
    return fingerprint([each.resolved_ms, each.ended, canonical_json(each.content).decode()])
