"""When values are final: of several KPIs at once, for whoever waits for all of them."""

from collections.abc import Mapping, Sequence

from schemas.ranks import OfMembers
from schemas.row_forms.comparing import PredictionRow
from schemas.row_forms.values import RankingRow, ScoreRow
from schemas.row_reading import kpis_read
from schemas.rows import OverValues, Row
from schemas.times import DAY_MS
from streams.calendar import Calendar
from streams.operators.conversion import whole_hour_ms
from streams.values.book import tally_of
from streams.values.formulas import settling_days


class Closing:
    """One kind of period of some KPIs."""

    def __init__(
        self,
        read: Sequence[tuple[Row, str]],
        period: str,
        rows: Mapping[str, Row],
        calendar: Calendar,
        lateness_ms: int = 0,
    ) -> None:
        """`read`: the KPIs, each in a variant; predictions with others of them only. `lateness_ms`:
        so long after the end of its day a prediction is final.
        """
        self._period, self._calendar = period, calendar
        self._tallies = [
            tally_of(row, variant, calendar)
            for row, variant in read
            if not isinstance(row, OverValues | ScoreRow | PredictionRow)
        ]
        self._waits_ms = max(_waits_ms(row, rows, lateness_ms) for row, _ in read)
        self._predicted = any(isinstance(row, PredictionRow) for row, _ in read)

    def final_ms(self, index: int) -> int:
        """When all of a period is final; of a later period it is later."""
        ends = (tally.final_ms(self._period, index) for tally in self._tallies)
        own_ms = self._calendar.end_ms(self._period, index) + self._waits_ms
        if self._waits_ms and not self._predicted:
            own_ms = whole_hour_ms(own_ms)
        return max([own_ms, *ends])

    def closed(self, watermark_ms: int, after: int | None) -> int:
        """The last index that is final; `after`: one that is known to be, None: none is known."""
        if after is None:
            after = self._calendar.index(self._period, watermark_ms) - 1
            while self.final_ms(after) > watermark_ms:
                after -= 1
        while self.final_ms(after + 1) <= watermark_ms:
            after += 1
        return after


def _waits_ms(row: Row, rows: Mapping[str, Row], lateness_ms: int) -> int:
    """So long after its end a period of a row without a tally of its own is final."""
    if isinstance(row, PredictionRow):
        return lateness_ms
    if not isinstance(row, OverValues):
        return 0
    of_members = isinstance(row, RankingRow) and isinstance(row.rank, OfMembers)
    predicted = any(isinstance(rows[kpi], PredictionRow) for kpi in kpis_read(row))
    return settling_days(row.id, rows) * DAY_MS + (lateness_ms if of_members and predicted else 0)
