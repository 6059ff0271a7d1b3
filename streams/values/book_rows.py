"""The rows of a book, read once for all subjects: who reads whom, and what nobody else hears of."""

from collections import defaultdict
from collections.abc import Container, Mapping

from schemas.row_forms.values import RankingRow
from schemas.row_reading import kpis_read
from schemas.rows import OverValues, Row
from streams.calendar import Calendar
from streams.contributions import TallyKey, tally_key
from streams.measures.kinds import ALL
from streams.values.formulas import Formula, Stated, Values, empty_of, settling_days
from streams.values.rankings import Ranking, StatedRanking


class BookRows:
    """Rows of one level, in an order in which one that another one reads comes first."""

    def __init__(
        self,
        rows: Mapping[str, Row],
        calendar: Calendar,
        *,
        level: str,
        heard: Container[str] | None = None,
    ) -> None:
        """`heard`: the KPIs whose values are told; others are only read. None: all are told."""
        self.rows, self.calendar, self.level = rows, calendar, level
        self._heard = heard
        self.readers: dict[str, list[TallyKey]] = {}
        """KPI -> the formulas that read it."""
        self.null_of_nothing = {id for id, row in rows.items() if empty_of(row) is None}
        """KPIs that are null, and not 0, where there is nothing."""
        self._stated: dict[TallyKey, Stated | StatedRanking] = {}
        for id, row in rows.items():
            if isinstance(row, OverValues):
                key, days = tally_key(id, "", ALL), settling_days(id, rows)
                if isinstance(row, RankingRow):
                    self._stated[key] = StatedRanking(row, ALL, calendar, days)
                else:
                    self._stated[key] = Stated(row, "", ALL, calendar, days)
                for kpi in kpis_read(row):
                    self.readers.setdefault(kpi, []).append(key)
        self.read_in: dict[str, set[str]] = defaultdict(set)
        """KPI -> the kinds of periods in which formulas read it."""
        for stated in self._stated.values():
            for kpi, _, _, period in stated.places:
                self.read_in[kpi].add(period)

    def hears(self, kpi: str) -> bool:
        """False: nobody is told of the values of a KPI, only formulas read them."""
        return self._heard is None or kpi in self._heard

    def formulas(self, values: Values) -> dict[TallyKey, Formula | Ranking]:
        """The formulas of a subject, over its values."""
        return {
            key: Formula(stated, values) if isinstance(stated, Stated) else Ranking(stated, values)
            for key, stated in self._stated.items()
        }
