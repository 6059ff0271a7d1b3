"""Local days, weeks and months of a company, and the periods that values are stated for.

Days are numbered from 1970-01-01 in the plan's time zone, weeks and months likewise, so that
windows are integer arithmetic and a day with 23 or 25 hours is still one day.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from schemas.times import DAY_MS, HOUR_MS, MINUTE_MS

HOUR, DAY, WEEK, MONTH = "hour", "day", "week", "month"
TRAILING_7D, TRAILING_30D = "trailing_7d", "trailing_30d"
YEAR_TO_DATE = "year_to_date"
PERIODS = (HOUR, DAY, WEEK, MONTH, TRAILING_7D, TRAILING_30D, YEAR_TO_DATE)

WINDOW_DAYS = {TRAILING_7D: 7, TRAILING_30D: 30}
GRID = {p: DAY if p in (*WINDOW_DAYS, YEAR_TO_DATE) else p for p in PERIODS}
"""The grid whose numbers a period is indexed by: one that ends with every day by its last day."""

_EPOCH = date(1970, 1, 1)
_ZONE_STEP_MS = 15 * MINUTE_MS  # every offset in use since 1972 is a multiple of this


def _date(day: int) -> date:
    return _EPOCH + timedelta(days=day)


class Calendar:
    """Maps UTC milliseconds to local period numbers and back; intervals are half-open."""

    def __init__(self, timezone: str = "UTC", week_start: str = "monday") -> None:
        self._zone = None if timezone == "UTC" else ZoneInfo(timezone)
        # 1970-01-01 is a Thursday: Monday-based weeks begin 3 days earlier, Sunday-based 4.
        self._week_shift = 4 if week_start == "sunday" else 3
        self._day_of_step: dict[int, int] = {}
        self._start_of_day: dict[int, int] = {}
        self._month_of_day: dict[int, int] = {}
        self._bounds: dict[str, dict[int, tuple[int, int]]] = {period: {} for period in PERIODS}

    def day(self, ms: int) -> int:
        if self._zone is None:
            return ms // DAY_MS
        step = ms // _ZONE_STEP_MS
        day = self._day_of_step.get(step)
        if day is None:
            local = datetime.fromtimestamp(ms / 1000, tz=UTC).astimezone(self._zone)
            day = self._day_of_step[step] = (local.date() - _EPOCH).days
        return day

    def date(self, day: int) -> date:
        """The date of a day."""
        return _date(day)

    def day_start_ms(self, day: int) -> int:
        """The first instant of a local day."""
        if self._zone is None:
            return day * DAY_MS
        start = self._start_of_day.get(day)
        if start is None:
            local = _EPOCH + timedelta(days=day)
            midnight = datetime(local.year, local.month, local.day, tzinfo=self._zone)
            start = self._start_of_day[day] = int(midnight.timestamp() * 1000)
        return start

    def week(self, day: int) -> int:
        return (day + self._week_shift) // 7

    def week_first_day(self, week: int) -> int:
        return week * 7 - self._week_shift

    def month(self, day: int) -> int:
        """Months since January of year 0."""
        month = self._month_of_day.get(day)
        if month is None:
            local = _EPOCH + timedelta(days=day)
            month = self._month_of_day[day] = local.year * 12 + local.month - 1
        return month

    def month_first_day(self, month: int) -> int:
        return (date(month // 12, month % 12 + 1, 1) - _EPOCH).days

    def index(self, period: str, ms: int) -> int:
        """Number of the period (of a trailing window: of its last day) that holds an instant."""
        if period == HOUR:
            return ms // HOUR_MS
        return self.index_of_day(period, self.day(ms))

    def index_of_day(self, period: str, day: int) -> int:
        grid = GRID[period]
        if grid == WEEK:
            return self.week(day)
        return self.month(day) if grid == MONTH else day

    def days(self, period: str, index: int) -> tuple[int, int]:
        """First day and the day after the last of a period of whole days."""
        if period == WEEK:
            first = self.week_first_day(index)
            return first, first + 7
        if period == MONTH:
            return self.month_first_day(index), self.month_first_day(index + 1)
        if period == YEAR_TO_DATE:
            return self._new_year(_date(index).year), index + 1
        return index - WINDOW_DAYS.get(period, 1) + 1, index + 1

    def _new_year(self, year: int) -> int:
        return (date(year, 1, 1) - _EPOCH).days

    def holding(self, period: str, day: int) -> tuple[int, int]:
        """The first period of whole days that holds a day, and the one after the last."""
        index = self.index_of_day(period, day)
        if period == YEAR_TO_DATE:
            return index, self._new_year(_date(day).year + 1)
        return index, index + WINDOW_DAYS.get(period, 1)

    def years_off(self, period: str, index: int, years: int) -> int | None:
        """The same period so many years later: the date, the month, the week of that number.

        None if there is none: a 29 February, a week 53. Weeks are numbered as ISO 8601 does, by
        the year that holds most of their days.
        """
        if period == HOUR:
            return None
        if GRID[period] == MONTH:
            return index + 12 * years
        if GRID[period] == WEEK:
            # the fourth day of a week lies in the year that the week belongs to
            middle = _date(self.week_first_day(index) + 3)
            number = (middle.timetuple().tm_yday - 1) // 7
            first = self.week(self._new_year(middle.year + years) + 3)
            found = first + number
            year = _date(self.week_first_day(found) + 3).year
            return found if year == middle.year + years else None
        day = _date(index)
        try:
            return (day.replace(year=day.year + years) - _EPOCH).days
        except ValueError:
            return None

    def bounds_ms(self, period: str, index: int) -> tuple[int, int]:
        """Start and end of a period, UTC milliseconds, half-open."""
        if period == HOUR:
            return index * HOUR_MS, (index + 1) * HOUR_MS
        bounds = self._bounds[period].get(index)
        if bounds is None:
            first, after = self.days(period, index)
            bounds = self.day_start_ms(first), self.day_start_ms(after)
            self._bounds[period][index] = bounds
        return bounds

    def all_bounds_ms(self, period: str, indexes: Iterable[int]) -> list[tuple[int, int]]:
        """The same of many periods."""
        known = self._bounds[period]
        return [known.get(index) or self.bounds_ms(period, index) for index in indexes]

    def end_ms(self, period: str, index: int) -> int:
        """The end of a period, UTC milliseconds."""
        return self.bounds_ms(period, index)[1]

    def opening_ms(self, period: str, index: int) -> int:
        """When a period begins to be published: the start of its last day (of an hour: its own)."""
        if period == HOUR:
            return index * HOUR_MS
        return self.day_start_ms(self.days(period, index)[1] - 1)

    def last_open_index(self, period: str, watermark_ms: int) -> int:
        """The newest period whose last day (of an hour: whose start) the watermark has reached."""
        if period == HOUR:
            return watermark_ms // HOUR_MS
        day = self.day(watermark_ms)
        index = self.index_of_day(period, day)
        return index if self.days(period, index)[1] - 1 <= day else index - 1
