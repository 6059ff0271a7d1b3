"""The variants of experiments that signals carry beside their evidence."""

from collections.abc import Sequence
from typing import Any

from schemas.experiments import EXPERIMENTS
from schemas.plan.models import Experiment


class Experiments:
    """Those of a plan."""

    def __init__(self, experiments: Sequence[Experiment] = ()) -> None:
        self._on: dict[str, list[Experiment]] = {}
        """By signal."""
        for each in experiments:
            self._on.setdefault(each.signal, []).append(each)

    def beside(self, evidence: dict[str, Any], signal: str, subject: str) -> dict[str, Any]:
        """The evidence of a signal, with the variants of its subject where an experiment is on it.

        `subject`: as shown outside.
        """
        found = self._on.get(signal)
        if found is None:
            return evidence
        return {**evidence, EXPERIMENTS: {each.name: each.variant_of(subject) for each in found}}


NO_EXPERIMENTS = Experiments()
