"""Signals: what is said when something happened, revised or taken back when history changes.

What signals stand follows from state alone. A change of state is told as the difference: a signal
whose instant moved is retracted and given anew under another id; the same instant with other
evidence is a higher revision of the same id. The variants of experiments follow from the subject:
they stand beside the evidence of what is told, and are no part of what stands.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from schemas.outputs import Signal, deterministic_id
from schemas.times import iso
from streams.experiments import NO_EXPERIMENTS, Experiments


class Standing(NamedTuple):
    """A signal that follows from the state of a subject."""

    signal: str
    variant: str | None
    subject: str
    account: str | None
    user: str | None
    at_ms: int
    evidence: dict[str, Any]

    @property
    def id(self) -> str:
        """Hash of (signal, variant, subject, at)."""
        return deterministic_id(self.signal, self.variant, self.subject, iso(self.at_ms))


NONE_REVISED: Mapping[str, int] = {}
"""Of nearly every subject."""


class Revisions:
    """Revisions of the signals of one subject that were ever changed; others are at 1."""

    __slots__ = ("_experiments", "revised")

    def __init__(
        self,
        revised: Mapping[str, int] = NONE_REVISED,
        experiments: Experiments = NO_EXPERIMENTS,
    ) -> None:
        self.revised, self._experiments = revised, experiments

    def changes(self, old: Standing | None, new: Standing | None) -> Iterator[Signal]:
        """The records that lead from what stood to what stands."""
        if old == new:
            return
        old_id = old.id if old is not None else None
        new_id = new.id if new is not None else None
        if old is not None and old_id is not None and old_id != new_id:
            yield self._record(old, old_id, self._next(old_id, stood=True), retracted=True)
        if new is not None and new_id is not None:
            yield self._record(new, new_id, self._next(new_id, stood=old_id == new_id))

    def _next(self, id: str, *, stood: bool) -> int:
        revision = self.revised.get(id, 1 if stood else 0) + 1
        if revision > 1:
            self.revised = {**self.revised, id: revision}
        return revision

    def _record(self, of: Standing, id: str, revision: int, *, retracted: bool = False) -> Signal:
        return Signal(
            id,
            revision,
            retracted,
            of.signal,
            of.variant,
            of.account,
            of.user,
            of.at_ms,
            self._experiments.beside(of.evidence, of.signal, of.subject),
        )
