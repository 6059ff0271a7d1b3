"""Rankings of the accounts that are in a membership, made of what accounts say of themselves."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from schemas.batches import Members, fraction_of
from schemas.ranks import ENTERED, OfMembers
from schemas.row_forms.values import RankingRow
from schemas.rows import Row
from schemas.terms import kpi_in
from schemas.times import iso
from streams.accounts.listing import Read, names_read, values_read
from streams.calendar import PERIODS, Calendar
from streams.operators.conversion import whole_hour_ms
from streams.operators.ranking import Order, Ranked
from streams.state_keys import MEMBER_NAMES, MEMBER_STANDS, MEMBER_VALUES, state_key, state_value
from streams.values.formulas import empty_of
from streams.values.tally import CHUNK, Hull, PlainSource, Value


class Stand(NamedTuple):
    """An account is in at the end of these days."""

    first_day: int
    after_day: int | None
    """None: nothing is known to end it."""
    entered_ms: int
    because: list[dict[str, Any]]

    def holds(self, day: int) -> bool:
        return self.first_day <= day and (self.after_day is None or day < self.after_day)


Place = tuple[str, str, str]
"""KPI, account, period"""
Hears = Callable[[str, int, int | None], None]
"""Takes (period, first index, index after the last) of what has to be looked at again."""


class MemberFacts:
    """What accounts said: when they are in, their values, and their lists."""

    def __init__(self, rows: Mapping[str, Row], rankings: Sequence[RankingRow]) -> None:
        """`rows`: all rows that run. `rankings`: those of members."""
        self._empty = {
            read.kpi: empty_of(rows[read.kpi]) for read in values_read(rankings) if read.kpi in rows
        }
        self._stands: dict[str, dict[str, list[Stand]]] = {}
        """Membership -> account -> when it is in."""
        self._values: dict[Place, dict[int, Fraction | None]] = {}
        self._names: dict[Place, dict[int, list[str]]] = {}
        self._unsaved: set[tuple[Any, ...]] = set()
        """The keys of state records."""
        self._rankings: list[MemberRanking] = []

    def join(self, ranking: "MemberRanking") -> None:
        """Lets a ranking hear of changes."""
        self._rankings.append(ranking)

    # ---- what was said

    def take(self, told: Members) -> None:
        for kpi, account, stands in told.stands:
            self._take_stands(kpi, account, [Stand(*each) for each in stands])
        for kpi, account, period, at, numerator, denominator in told.values:
            self.put_value((kpi, account, period), at, fraction_of(numerator, denominator))
        for kpi, account, period, at, names in told.names:
            self._names.setdefault((kpi, account, period), {})[at] = names
            self._unsaved.add((MEMBER_NAMES, kpi, account, period, at // CHUNK))
            self._tell(Read(kpi, period), at)

    def _take_stands(self, kpi: str, account: str, stands: list[Stand]) -> None:
        accounts = self._stands.setdefault(kpi, {})
        before = accounts.get(account, [])
        if stands:
            accounts[account] = stands
        else:
            accounts.pop(account, None)
        self._unsaved.add((MEMBER_STANDS, kpi, account))
        for ranking in self._rankings:
            if ranking.membership == kpi:
                for stand in (*before, *stands):
                    if stand not in before or stand not in stands:
                        ranking.hear_days(stand.first_day, stand.after_day)
        if not self.knows(account):
            self._drop_account(account)

    def _drop_account(self, account: str) -> None:
        for what, told in ((MEMBER_VALUES, self._values), (MEMBER_NAMES, self._names)):
            for place in [place for place in told if place[1] == account]:
                self._unsaved.update((what, *place, at // CHUNK) for at in told.pop(place))

    def knows(self, account: str) -> bool:
        """True if an account is, or ever was, in a membership that is ranked."""
        return any(account in accounts for accounts in self._stands.values())

    def put_value(self, place: Place, at: int, exact: Fraction | None) -> None:
        """A value of an account."""
        self._values.setdefault(place, {})[at] = exact
        self._unsaved.add((MEMBER_VALUES, *place, at // CHUNK))
        self._tell(Read(place[0], place[2]), at)

    def _tell(self, read: Read, at: int) -> None:
        for ranking in self._rankings:
            ranking.hear_value(read, at)

    # ---- what follows

    def members(self, kpi: str, day: int) -> Iterator[tuple[str, Stand]]:
        """Who is in a membership at the end of a day."""
        for account, stands in self._stands.get(kpi, {}).items():
            for stand in stands:
                if stand.holds(day):
                    yield account, stand

    def value(self, place: Place, at: int) -> Fraction | None:
        """A value of an account; one that was not said is empty."""
        values = self._values.get(place)
        return values[at] if values is not None and at in values else self._empty.get(place[0])

    def names(self, place: Place, at: int) -> list[str]:
        return self._names.get(place, {}).get(at, [])

    def forget(self, before_ms: int, calendar: Calendar) -> None:
        """Drops the values of what ended before a time."""
        for what, told in ((MEMBER_VALUES, self._values), (MEMBER_NAMES, self._names)):
            for place, values in told.items():
                before = calendar.index(place[2], before_ms)
                for at in [at for at in values if at < before]:
                    del values[at]
                    self._unsaved.add((what, *place, at // CHUNK))

    # ---- checkpoints

    def take_unsaved(self) -> Iterator[tuple[bytes, bytes | None]]:
        unsaved, self._unsaved = self._unsaved, set()
        for record in sorted(unsaved):
            found = self._content(*record)
            yield state_key(*record), state_value(found) if found else None

    def _content(self, what: str, *place: Any) -> Any:
        if what == MEMBER_STANDS:
            kpi, account = place
            return self._stands[kpi].get(account)
        kpi, account, period, chunk = place
        told: Mapping[Place, Any] = self._values if what == MEMBER_VALUES else self._names
        values = told.get((kpi, account, period), {})
        indexes = (i for i in range(chunk * CHUNK, (chunk + 1) * CHUNK) if i in values)
        return [(i, _packed(values[i])) for i in indexes]

    def load(self, what: str, place: Sequence[Any], content: Any) -> None:
        if what == MEMBER_STANDS:
            stands = [Stand(*each) for each in content]
            self._stands.setdefault(place[0], {})[place[1]] = stands
        elif what == MEMBER_VALUES:
            values = self._values.setdefault((place[0], place[1], place[2]), {})
            values.update((at, None if text is None else Fraction(text)) for at, text in content)
        else:
            self._names.setdefault((place[0], place[1], place[2]), {}).update(content)


def _packed(value: Fraction | list[str] | None) -> Any:
    return str(value) if isinstance(value, Fraction) else value


class MemberRanking(PlainSource):
    """A ranking of members: a source of values, as a tally is."""

    def __init__(
        self,
        row: RankingRow,
        facts: MemberFacts,
        calendar: Calendar,
        settling_ms: int,
        lateness_ms: int = 0,
    ) -> None:
        """`settling_ms`: so long after its end a period is final; `lateness_ms`: and so long after
        that, while what it goes by is settled.
        """
        assert isinstance(row.rank, OfMembers)
        self._row, self._facts, self._calendar = row, facts, calendar
        self.membership = row.rank.members
        self._settling_ms, self._lateness_ms = settling_ms, lateness_ms
        self._order = Order(row.by, row.top, row.bottom, row.shows)
        self._heard: dict[Read, list[str]] = {}
        """What is read -> the periods in which it is."""
        for period in row.periods:
            one = row.model_copy(update={"periods": (period,)})
            for read in values_read([one]) | names_read([one]):
                self._heard.setdefault(read, []).append(period)
        self._changed = {period: Hull() for period in PERIODS}
        facts.join(self)

    def hear_days(self, first: int, after: int | None) -> None:
        """Notes that others are in at the ends of these days."""
        for period in self._row.periods:
            index = self._calendar.index_of_day(period, first)
            end = None if after is None else self._calendar.index_of_day(period, after) + 1
            self._changed[period].widen(index, end)

    def hear_value(self, read: Read, at: int) -> None:
        """Notes that some account has another value."""
        for period in self._heard.get(read, ()):
            self._changed[period].widen(at, at + 1)

    def value(self, period: str, index: int, watermark_ms: int) -> Value:
        day = self._calendar.days(period, index)[1] - 1
        members = dict(self._facts.members(self.membership, day))

        def more(account: str) -> dict[str, Any]:
            stand = members[account]
            lists = {
                kpi: self._facts.names((kpi, account, of), index)
                for kpi, of in self._row.attach.items()
            }
            return {"entered": iso(stand.entered_ms), "because": stand.because, "lists": lists}

        return self._order.value(self._ranked(members, period, index), more)

    def _ranked(self, members: Mapping[str, Stand], period: str, index: int) -> Iterable[Ranked]:
        for account, stand in members.items():
            inputs = {
                name: self._facts.value((kpi_in(input, period) or "", account, of), index)
                for name, input in self._row.inputs.items()
                for of in [input.period or period]
            }
            yield Ranked(account, {**inputs, ENTERED: Fraction(stand.entered_ms)})

    def first_index(self, period: str) -> int | None:
        return None

    def final_ms(self, period: str, index: int) -> int:
        waits_ms = self._settling_ms + self._lateness_ms
        end_ms = self._calendar.end_ms(period, index)
        return whole_hour_ms(end_ms + waits_ms) if waits_ms else end_ms

    def wait_no_more(self, watermark_ms: int) -> None:
        """Time has come to its end, and so all is settled that it goes by."""
        if self._lateness_ms:
            waited_ms = watermark_ms - self._settling_ms - self._lateness_ms
            for period in self._row.periods:
                first, last = (self._calendar.index(period, ms) for ms in (waited_ms, watermark_ms))
                self._changed[period].widen(first, last + 1)
            self._lateness_ms = 0

    def take_changed(self, period: str) -> Hull:
        hull, self._changed[period] = self._changed[period], Hull()
        return hull
