"""lag: time from an anchor to an end, by the day of either; exact quantiles, Kaplan-Meier median.

Cells: (ENDED, anchor day, lag in ms) of the subjects that reached the end and (OPEN, anchor day,
anchor in UTC ms) of those that did not. Quantiles are of the former. The Kaplan-Meier median also
knows the latter, censored at the watermark: those who have not ended yet are slow, not absent.

With a horizon an end after it is none, censoring stops there, and quantiles leave out who is not
mature yet; the part of an ended subject is then its maturity in UTC ms instead of ENDED.
"""

from array import array
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import accumulate, groupby, repeat
from typing import TypeVar

from schemas.times import DAY_MS, HOUR_MS
from streams.calendar import Calendar
from streams.operators.conversion import whole_hour_ms
from streams.operators.latest import CellOfPeriod, latest_cells, latest_of
from streams.values.tally import NULL, CellTally, Number, Value

ENDED, OPEN = 0, 1
_MS_PER_S = 1000
_HALF = Fraction(1, 2)
_FLOAT_ERROR = 1e-9
"""More than what a survival as a float can be off, after a million steps."""
_BUCKET_BITS = 20


class Multiset:
    """Whole numbers of 64 bits, in buckets of neighbours (of ms: 17 minutes).

    A million of them take 8 MB, and few have to be sorted to find the one of a rank.
    """

    def __init__(self) -> None:
        self.buckets: dict[int, array[int]] = defaultdict(lambda: array("q"))

    def add(self, x: int, n: int) -> None:
        bucket = self.buckets[x >> _BUCKET_BITS]
        if n == 1:
            bucket.append(x)
        else:
            bucket.extend(repeat(x, n))

    def __len__(self) -> int:
        return sum(map(len, self.buckets.values()))


class Quantiles:
    """Exact quantiles of lags, by linear interpolation between order statistics."""

    def __init__(self, lags: Multiset) -> None:
        self._buckets = [lags.buckets[number] for number in sorted(lags.buckets)]
        self._ranks = list(accumulate(map(len, self._buckets)))
        self.n = self._ranks[-1] if self._ranks else 0
        self.sum_ms = sum(map(sum, self._buckets))

    def _at(self, rank: int) -> int:
        place = bisect_right(self._ranks, rank)
        bucket = self._buckets[place]
        return sorted(bucket)[rank - self._ranks[place] + len(bucket)]

    def seconds(self, tenths: int) -> Fraction | None:
        """The quantile at tenths / 10 in seconds: x[h] at h = (n - 1) x tenths / 10."""
        if self.n == 0:
            return None
        whole, rest = divmod((self.n - 1) * tenths, 10)
        low = self._at(whole)
        high = self._at(whole + 1) if rest else low
        return Fraction(low * 10 + rest * (high - low), 10 * _MS_PER_S)

    def mean_seconds(self) -> Fraction | None:
        return Fraction(self.sum_ms, _MS_PER_S * self.n) if self.n else None


def kaplan_meier_median_ms(ended: Multiset, censored: Multiset) -> int | None:
    """The smallest lag t with S(t) <= 1/2, decided exactly; None if S stays above.

    `ended` and `censored`: ms, one for each subject; ends come before censorings on ties. Floats
    decide where they can: exact fractions grow long when there are many censorings.
    """
    for lag, survival in _survival(ended, censored, 1.0, 0.5 + _FLOAT_ERROR):
        if abs(survival - 0.5) < _FLOAT_ERROR:
            exact = _survival(ended, censored, Fraction(1), _HALF)
            return next((lag for lag, survival in exact if survival <= _HALF), None)
        if survival < 0.5:
            return lag
    return None


Survival = TypeVar("Survival", float, Fraction)


def _survival(
    ended: Multiset, censored: Multiset, start: Survival, above: Survival
) -> Iterator[tuple[int, Survival]]:
    """(lag, S(lag)) at lags with ends, rising; in the kind of number that `start` is.

    Buckets of ends that nobody leaves otherwise, and after which S is still `above`, are one step,
    of which nothing is said: (r - 1) / r x (r - 2) / (r - 1) x ... is (r - n) / r.
    """
    at_risk, survival = len(ended) + len(censored), start
    for number in sorted(ended.buckets.keys() | censored.buckets.keys()):
        ends, leaving = ended.buckets.get(number, ()), censored.buckets.get(number, ())
        after_both = at_risk - len(ends) - len(leaving)
        if ends and not leaving:
            after = survival * after_both / at_risk
            if after > above:
                survival, ends = after, ()
        waiting = sorted(leaving, reverse=True) if ends else []
        for lag, alike in groupby(sorted(ends)):
            while waiting and waiting[-1] < lag:
                waiting.pop()
                at_risk -= 1
            n = len(list(alike))
            survival = survival * (at_risk - n) / at_risk
            yield lag, survival
            at_risk -= n
        at_risk = after_both


class Tally(CellTally):
    """value = the row's headline; parts n, median, p90, mean, km_median, in seconds."""

    zero_tells = True

    def __init__(
        self,
        calendar: Calendar,
        headline: str,
        horizon_ms: int | None,
        *,
        by_end: bool = False,
        latest: bool = False,
    ) -> None:
        """`by_end`: a lag belongs to the period of its end, and so nobody is waited for.

        `latest`: that is the latest end of the period.
        """
        super().__init__(calendar)
        self._latest = latest
        self._headline, self._horizon_ms = headline, horizon_ms
        self.depends_on_watermark = not by_end
        self.never_settles = horizon_ms is None and not by_end

    def final_ms(self, period: str, index: int) -> int:
        end_ms = self.calendar.end_ms(period, index)
        return end_ms if self._horizon_ms is None else whole_hour_ms(end_ms + self._horizon_ms)

    def value(self, period: str, index: int, watermark_ms: int) -> Value:
        # censoring follows the watermark by whole hours, by whole days once the period is over
        step_ms = DAY_MS if self.final_ms(period, index) <= watermark_ms else HOUR_MS
        cells = latest_cells if self._latest else CellTally.cells_of
        return self._value_of(cells(self, period, index), watermark_ms // step_ms * step_ms)

    def overall(self, watermark_ms: int) -> Value:
        """Over all cohorts together."""
        cells = (cell for day in self.all_at() for cell in self.cells(day))
        return self._value_of(latest_of(cells) if self._latest else cells, watermark_ms)

    def _value_of(self, cells: Iterable[CellOfPeriod], watermark_ms: int) -> Value:
        limit_ms = self._horizon_ms
        ended, censored = Multiset(), Multiset()
        mature = ended if limit_ms is None else Multiset()
        hour_ms = watermark_ms // HOUR_MS * HOUR_MS
        for (part, x), n in cells:
            if part == OPEN:
                waited_ms = watermark_ms - x
                censored.add(waited_ms if limit_ms is None else min(waited_ms, limit_ms), n)
            else:
                ended.add(x, n)
                if limit_ms is not None and (part == ENDED or part <= hour_ms):
                    mature.add(x, n)
        if not ended.buckets and not censored.buckets:
            return NULL
        lags = Quantiles(mature)
        km_ms = kaplan_meier_median_ms(ended, censored)
        exact = {
            "median": lags.seconds(5),
            "p90": lags.seconds(9),
            "mean": lags.mean_seconds(),
            "km_median": None if km_ms is None else Fraction(km_ms, _MS_PER_S),
        }
        parts: dict[str, Number | None] = {"n": lags.n}
        parts |= {name: None if x is None else float(x) for name, x in exact.items()}
        headline = exact[self._headline]
        return Value(headline, None if headline is None else float(headline), parts)
