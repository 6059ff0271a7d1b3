"""Alert rules on predictions: about accounts, and judged in the company's last step.

A score is final once its day is settled, and nothing changes it then. So how far a rule came with
an account is kept beside what was told, and of the scores only as many days as rules compare.
"""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from streams.alerting.board import Board
from streams.alerting.rules import Series
from streams.calendar import DAY
from streams.company.predictions import Prediction, Predictions, Scored
from streams.stage import Flushed
from streams.state_keys import ALERTS_OF_PREDICTIONS, state_key
from streams.values.publication import FINAL


class ScoresOfAccount:
    """What is predicted of one account, for alert rules."""

    def __init__(self, predictions: Mapping[str, Prediction], account: str) -> None:
        self._predictions, self._account = predictions, account

    def first_index(self, series: Series, period: str) -> int | None:
        recent = self._predictions[series.kpi].recent or {}
        return min((day for day, of in recent.items() if self._account in of), default=None)

    def exact(self, series: Series, period: str, index: int) -> Fraction | None:
        recent = self._predictions[series.kpi].recent or {}
        snapshot = recent.get(index, {}).get(self._account)
        if snapshot is None or snapshot.score is None:
            return None
        return Fraction(snapshot.score)


class PredictedAlerts:
    """The rules on predictions, at work."""

    def __init__(self, board: Board, predictions: Predictions) -> None:
        self.board, self._predictions = board, predictions
        self._to_forget: set[str] = set()
        """Accounts that were erased; it may still have to be told that nothing stands of them."""

    def erase(self, accounts: Iterable[str]) -> None:
        """Takes back what stands of accounts, and forgets it."""
        for account in accounts:
            self.board.drop(account)
            self._to_forget.add(account)

    def restored(self) -> None:
        self._to_forget.update(self.board.dropped())

    def hear(self, scored: Scored) -> None:
        """Takes note of a score that is published."""
        if scored.published.status == FINAL:
            self.board.hear_value(scored.account, scored.kpi, scored.day, DAY)

    def flush(self, watermark_ms: int | None, now_ms: int, until_ms: int | None) -> Flushed:
        """`watermark_ms`: that of the stage, by which the pipeline is late or not."""
        self.board.closes(self._predictions.final_ms)
        of = self._predictions.of
        flushed = self.board.flush(
            watermark_ms,
            now_ms,
            until_ms,
            lambda account: ScoresOfAccount(of, account),
            self._numbers_of,
        )
        for prediction in of.values():
            prediction.trim()
        for account in sorted(self._to_forget):
            if self.board.forget(account):
                self._to_forget.discard(account)
                flushed.entities.append((state_key(ALERTS_OF_PREDICTIONS, account), None))
        return flushed

    def _numbers_of(self, account: str) -> dict[str, Any]:
        """What the newest scores of an account were made of, as evidence."""
        found = {}
        for kpi, prediction in self._predictions.of.items():
            days = [day for day, of in (prediction.recent or {}).items() if account in of]
            if days:
                assert prediction.recent is not None
                numbers = prediction.recent[max(days)][account].numbers
                found[kpi] = dict(zip(prediction.row.features, numbers or (), strict=True))
        return {"features": found}
