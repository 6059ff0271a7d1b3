"""A condition of a membership, compiled, and how facts are called there."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from schemas.selectors import FactSelector
from streams.courses import Course
from streams.measures.of_subjects import Values


class Leaf(NamedTuple):
    """A condition of one measure or two."""

    words: str
    """What holds, for people."""

    slots: frozenset[int]
    course: Callable[[Values], Course]
    instants: Callable[[Values], Iterator[int]]
    """Times of the facts that may begin or end it (UTC ms)."""
    again: Callable[[Course, Values, Values], Course] | None = None
    """The course by measures that have changed, from the one by the old measures; None: it costs as
    much to find it anew. It has edges at the ends of days only.
    """


def shown_facts(facts: FactSelector) -> str:
    """A selector for people: `key_task or outcome`, `survey (kind nps)`."""
    kinds = facts.kind if isinstance(facts.kind, str) else " or ".join(facts.kind)
    where = ", ".join(f"{name} {value}" for name, value in facts.where.items())
    return f"{kinds} ({where})" if where else kinds
