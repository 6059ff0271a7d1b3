"""The values of the accounts of a partition: which there are, and when they are published."""

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction

from schemas.keys import ACCOUNT, shown_account
from schemas.outputs import KpiRecords
from schemas.row_forms.comparing import PredictionRow
from schemas.times import MINUTE_MS
from streams.accounts.listing import kpis_of_members
from streams.accounts.schedule import Schedule
from streams.accounts.state import Account
from streams.alerting.rules import Series
from streams.compiled_plan import CompiledPlan
from streams.contributions import Cell, TallyKey
from streams.measures.kinds import ALL
from streams.stage import Outgoing
from streams.state_keys import BOOK, state_key, state_value
from streams.values.book import Book, Change
from streams.values.book_rows import BookRows
from streams.values.publication import Horizon
from streams.values.records import add_said, removals

Entities = list[tuple[bytes, bytes | None]]


class AccountValues:
    """The values of one account, for its alert rules."""

    def __init__(self, book: Book, watermark_ms: int) -> None:
        self._book, self._watermark_ms = book, watermark_ms

    def first_index(self, series: Series, period: str) -> int | None:
        return self._book.first_index(TallyKey(*series), period)

    def exact(self, series: Series, period: str, index: int) -> Fraction | None:
        found = self._book.exact(TallyKey(*series), period, index, self._watermark_ms)
        return None if found is None else Fraction(found)


class AccountBooks:
    """The books of accounts, each with its account; here is what they have in common."""

    def __init__(
        self,
        compiled: CompiledPlan,
        horizon_days: int | None,
        *,
        throttled: bool,
        keeps_state: bool,
    ) -> None:
        """`horizon_days`: for so long values are kept; None: for ever. `throttled`: provisional
        values are published once a minute at most. `keeps_state` False: there are no records of
        state, which are as many as those of values.
        """
        catalogue = compiled.catalogue
        self.shown = catalogue.shown_per_account
        """The KPIs of which the plan wants values of each account."""
        self._heard = compiled.alert_rules.watched("account").union(
            kpis_of_members(compiled.member_lists),
            (on.when.kpi for on in compiled.member.together.on_values.values()),
        )
        """Those of which alert rules, rankings and conditions want to hear."""
        self._rows = BookRows(
            {
                id: row
                for id, row in catalogue.rows.items()
                if id in catalogue.per_account and not isinstance(row, PredictionRow)
            },
            compiled.calendar,
            level="account",
            heard=self.shown | self._heard,
        )
        self.rows = self._rows.rows
        self._horizon_days, self._keeps_state = horizon_days, keeps_state
        self._horizon = Horizon(horizon_days, compiled.calendar)
        self._provisional_every_ms = MINUTE_MS if throttled else 0
        self._schedule = Schedule(self._provisional_every_ms)

    def new(self, key: str) -> Book | None:
        """An empty book; None where there is nothing to write into it."""
        if not self.rows or not key.startswith(ACCOUNT):
            return None
        return Book(
            self._rows,
            subject=shown_account(key),
            provisional_every_ms=self._provisional_every_ms,
            horizon_days=self._horizon_days,
        )

    def holds(self, cell: Cell) -> bool:
        """True of what counts for an account, too."""
        return cell[0].kpi in self.rows and cell[0].segment == ALL

    def touch(self, key: str) -> None:
        """Says that there may be something to publish of an account."""
        self._schedule.touch(key)

    def resume(self, account: Account, watermark_ms: int | None, first_fact_ms: int | None) -> None:
        if account.book is not None:
            account.book.resume(watermark_ms, first_fact_ms)
            self._schedule.touch(account.key)

    def publish(
        self,
        accounts: Mapping[str, Account],
        watermark_ms: int | None,
        first_fact_ms: int | None,
        now_ms: int,
        hear: Callable[[str, Change], None],
        entities: Entities,
        records: list[Outgoing],
        *,
        at_once: bool,
    ) -> None:
        """Values where there may be something to say; `at_once`: nothing is held back.

        `hear`: is told of every change of what alert rules, rankings and conditions read.
        """
        shown, heard, written = self.shown, self._heard, KpiRecords(now_ms)
        if self._horizon.newly_passed(watermark_ms) is not None:
            for key in accounts:
                self._schedule.touch(key)
        for key in sorted(self._schedule.take(watermark_ms, now_ms, at_once=at_once)):
            account = accounts.get(key)
            book = None if account is None else account.book
            if book is None:
                continue
            for gone in book.forget(watermark_ms):
                if gone.kpi in self.shown:
                    records += removals(self.rows[gone.kpi], gone)
            for change in book.publish(watermark_ms, first_fact_ms, now_ms, at_once=at_once):
                kpi = change.tally.kpi
                if change.said is not None and kpi in shown:
                    add_said(records, change.said, change.value, written)
                if kpi in heard:
                    hear(key, change)
            self._schedule.looked_at(key, book, now_ms)
            if self._keeps_state:
                entities += _unsaved(key, book)

    def erase(self, key: str, book: Book, entities: Entities, records: list[Outgoing]) -> None:
        """Takes back what was published of an account that is no more, and its records of state."""
        for value in book.erase():
            if value.kpi in self.shown:
                records += removals(self.rows[value.kpi], value)
        entities += ((place, None) for place, _ in _unsaved(key, book))


def _unsaved(key: str, book: Book) -> Iterable[tuple[bytes, bytes | None]]:
    for place, content in book.take_unsaved():
        yield state_key(BOOK, key, *place), None if content is None else state_value(content)
