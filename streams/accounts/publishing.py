"""What is said of accounts at a flush: their values, and alerts on those and on signals."""

from collections.abc import Callable, Collection, Iterable
from typing import Any

from schemas.keys import shown_user
from schemas.outputs import EVIDENCE_IDS_MAX
from streams.accounts.books import AccountBooks, AccountValues
from streams.accounts.held import HeldAccounts
from streams.accounts.listing import Listing
from streams.accounts.values_met import ValuesMet
from streams.alerting.board import Board
from streams.stage import Flushed
from streams.values.book import Change
from streams.watermark import Sources


class AccountPublishing:
    """Of one partition."""

    def __init__(
        self,
        held: HeldAccounts,
        books: AccountBooks,
        board: Board,
        listing: Listing | None,
        met: ValuesMet,
        sources: Sources,
        until: Callable[[], int | None],
    ) -> None:
        """`listing` and `met` hear of values; None: nothing is listed. `until`: where time stands
        in the end; there nothing waits for a later flush.
        """
        self._held, self._books, self._board, self._listing = held, books, board, listing
        self._met, self._sources, self._until = met, sources, until

    def publish(
        self, touched: Iterable[str], gone: Collection[str], now_ms: int, out: Flushed
    ) -> None:
        """Values per account, where there may be something to say. `gone`: who has none now."""
        if not self._books.rows:
            return
        watermark_ms = self._sources.watermark_ms
        for key in touched:
            self._books.touch(key)
        there = self._held.all
        if gone:
            there = {key: of for key, of in there.items() if key not in gone}
        self._books.publish(
            there,
            watermark_ms,
            self._sources.first_fact_ms,
            now_ms,
            self._hear,
            out.entities,
            out.records,
            at_once=watermark_ms is not None and watermark_ms == self._until(),
        )

    def _hear(self, key: str, change: Change) -> None:
        """Lets rankings, conditions and alerts know a value."""
        self._met.hear(key, change)
        if self._listing is not None:
            self._listing.hear(key, change)
        for at in change.at:
            self._board.hear_value(key, change.tally.kpi, at, change.period)

    def alert(self, gone: Collection[str], now_ms: int, out: Flushed) -> None:
        """Alerts on values and on signals. `gone`: who has no values now."""
        board, watermark_ms = self._board, self._sources.watermark_ms
        if board.watches_values and board.closes(watermark_ms):
            for key, account in self._held.all.items():
                if account.book is not None:
                    board.touch(key)

        for key in gone:
            board.touch(key)

        def values_of(key: str) -> AccountValues | None:
            account = self._held.all.get(key)
            if account is None or account.book is None or key in gone or watermark_ms is None:
                return None
            return AccountValues(account.book, watermark_ms)

        alerts = board.flush(watermark_ms, now_ms, self._until(), values_of, self._users_of)
        out.entities.extend(alerts.entities)
        out.records.extend(alerts.records)

    def _users_of(self, key: str) -> dict[str, Any]:
        """The users of an account that count, as evidence."""
        account = self._held.warmed(key)
        members = (m for m in account.members.values() if m.root and not m.excluded)
        users = sorted({shown_user(member.root) for member in members})
        return {"users": users[:EVIDENCE_IDS_MAX], "count": len(users)}
