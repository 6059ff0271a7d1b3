"""ranking: names, or subjects, in the order of their scores. value = how many stand on the list.

Scores are exact until they are written. A null comes last; ties go by name, ascending as bytes.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from schemas.ranks import ENTERED, By
from streams.operators.formula import Terms, compiled
from streams.values.tally import Exact, Value, number

Scores = tuple[Exact | None, ...]


class Ranked(NamedTuple):
    """Who, or what, takes part."""

    name: str
    inputs: dict[str, Exact | None]


Scored = tuple[Scores, Ranked]


class Order:
    """The order that a row states, and how many of it are shown."""

    def __init__(self, by: Sequence[By], top: int, bottom: int, shows: Sequence[str] = ()) -> None:
        """`shows`: inputs that stand beside the scores."""
        self._terms: list[Terms] = [compiled(each.term) for each in by]
        self._names = [each.shown_as for each in by]
        self._signs = [-1 if each.order == "descending" else 1 for each in by]
        self._top, self._bottom, self._shows = top, bottom, shows

    def value(
        self, ranked: Iterable[Ranked], more: Callable[[str], dict[str, Any]] = lambda _: {}
    ) -> Value:
        """The list, and how many stand on it. `more`: what else a line says of a name."""
        scored = [(self._scores(each), each) for each in ranked]
        scored.sort(key=self._key)

        def lines(of: Sequence[Scored]) -> list[dict[str, Any]]:
            return [
                {"rank": rank, "name": each.name, "scores": self._shown(scores, each)}
                | more(each.name)
                for rank, (scores, each) in enumerate(of, 1)
            ]

        last = scored[::-1][: self._bottom]
        n = min(len(scored), self._top + self._bottom)
        return Value(n, n, None, {"top": lines(scored[: self._top]), "bottom": lines(last)})

    def _scores(self, ranked: Ranked) -> Scores:
        return tuple(term(ranked.inputs) for term in self._terms)

    def _key(self, scored: Scored) -> tuple[Any, ...]:
        scores, ranked = scored
        numbers = (
            (score is None, 0 if score is None else sign * score)
            for score, sign in zip(scores, self._signs, strict=True)
        )
        return (*numbers, ranked.name.encode())

    def _shown(self, scores: Scores, ranked: Ranked) -> dict[str, Any]:
        """All but the time of entry, which is no number that says something."""
        beside = ((name, ranked.inputs[name]) for name in self._shows)
        named = (*zip(self._names, scores, strict=True), *beside)
        return {name: number(value) for name, value in named if name != ENTERED}
