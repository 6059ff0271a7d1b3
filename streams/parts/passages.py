"""What is said of who enters and leaves, and of what of it stands or changes.

Passages are found anew whenever a subject changes; the signals of those that were told follow from
what was and what is.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple, Protocol

from streams.agenda import Coming
from streams.courses import Course, Edge
from streams.measures.of_subjects import Values
from streams.signals import Standing


class Stand(NamedTuple):
    """When a subject is in, and why."""

    course: Course
    because: list[Course]
    """When each condition holds; where one that is needed never does, those behind it are missing.
    """
    due_ms: list[int | None]
    """Of each edge of the course the watermark that shows it; None: a fact makes it, whatever is
    still to come.
    """


OUT = Stand((), [], [])
Stands = Sequence[tuple[str, Stand]]
"""How a subject stands in each variant that it may be in."""


class Passage(NamedTuple):
    """A subject enters or leaves."""

    signal: str
    variant: str
    """'' if the membership has none."""
    at_ms: int
    due_ms: int | None
    """The watermark that shows that it happens; None: a fact does it, whatever is still to come."""
    evidence: dict[str, Any]


class InAndOut(Protocol):
    """What subjects enter and leave."""

    @property
    def signals(self) -> tuple[str, str]:
        """What is said of who enters, and of who leaves."""
        ...

    def stands(self, values: Values) -> Stands: ...

    def passages(self, stands: Stands, without: Mapping[str, int]) -> Iterator[Passage]: ...


class Passages(NamedTuple):
    """The signals of a subject."""

    told: dict[tuple[str, str, int], Standing]
    """(signal, variant, UTC ms) -> those that stand by now."""
    coming: list[Coming]
    """Those that time will give."""


def passages(
    of: Iterable[Passage], watermark_ms: int | None, stands: Callable[[Passage], Standing]
) -> Passages:
    """What a subject gives, and will give, that enters and leaves like that."""
    found = Passages({}, [])
    for passage in of:
        due_ms = passage.due_ms
        if due_ms is None or _reached(watermark_ms, due_ms):
            found.told[passage.signal, passage.variant, passage.at_ms] = stands(passage)
        else:
            found.coming.append(Coming(due_ms, stands(passage)))
    return found


class News(NamedTuple):
    """How the signals of a subject may have changed."""

    was: dict[tuple[str, str, int], Standing]
    """(signal, variant, UTC ms) -> those that stood. Of those that still do some are left out, here
    and in `now`.
    """
    now: dict[tuple[str, str, int], Standing]
    """The same of those that stand by now."""
    coming: list[Coming]
    """All that time will give."""


def news(
    memberships: Sequence[InAndOut],
    touched: Iterable[InAndOut],
    old: Values,
    new: Values,
    told_until_ms: int | None,
    watermark_ms: int | None,
    stands: Callable[[Passage], Standing],
    awaited: Sequence[Coming],
) -> News:
    """What a subject gives whose measures were `old` up to one watermark and are `new` at another.

    `touched`: those of the memberships of which some measure changed. Where a subject stands as
    before, everything is still so, and what was `awaited` of a membership (since that first
    watermark) still comes.
    """
    changed: list[InAndOut] = []
    before: list[Passage] = []
    after: list[Passage] = []
    for each in touched:
        was_in, is_in = each.stands(old), each.stands(new)
        if was_in != is_in:
            changed.append(each)
            told = _told_alike(was_in, is_in, told_until_ms)
            before += each.passages(was_in, told)
            after += each.passages(is_in, told)
    was = passages(before, told_until_ms, stands).told
    now, coming = passages(after, watermark_ms, stands)
    same = set[str]()
    if awaited:
        same.update(*(each.signals for each in memberships if each not in changed))
    for due_ms, standing in awaited:
        if standing.signal not in same:
            continue
        if _reached(watermark_ms, due_ms):
            now[standing.signal, standing.variant or "", standing.at_ms] = standing
        else:
            coming.append(Coming(due_ms, standing))
    return News(was, now, coming)


def _reached(watermark_ms: int | None, due_ms: int) -> bool:
    return watermark_ms is not None and due_ms <= watermark_ms


def _told_alike(was_in: Stands, is_in: Stands, told_until_ms: int | None) -> dict[str, int]:
    """How many first passages of each variant were told, and are as they were told."""
    before = dict(was_in)
    return {
        variant: _alike(before[variant], stand, told_until_ms)
        for variant, stand in is_in
        if variant in before
    }


def _alike(was: Stand, now: Stand, told_until_ms: int | None) -> int:
    """What is told of an edge follows from what the conditions are until then."""
    conditions = zip_longest(was.because, now.because, fillvalue=())
    differ = (_first_difference(before, after) for before, after in conditions)
    until = min((edge for edge in differ if edge is not None), default=None)
    edges = zip(was.course, was.due_ms, now.course, now.due_ms, strict=False)
    n = 0
    for then, due_then_ms, edge, due_ms in edges:
        told = due_ms is None or _reached(told_until_ms, due_ms)
        if then != edge or due_then_ms != due_ms or not told or (until and until <= edge):
            break
        n += 1
    return n


def _first_difference(one: Course, other: Course) -> Edge | None:
    """The first edge that only one of them has; None: they are the same."""
    if one is other:
        return None
    for edge, of in zip(one, other, strict=False):
        if edge != of:
            return min(edge, of)
    more = one[len(other) :] or other[len(one) :]
    return more[0] if more else None
