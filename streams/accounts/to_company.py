"""What accounts tell the company's last step, past the tallies: for rankings, for predictions."""

from collections.abc import Callable, Sequence
from typing import Any

from schemas.batches import ValueBatch, encode
from schemas.keys import shown_account
from streams.accounts.books import AccountBooks
from streams.accounts.held import HeldAccounts
from streams.accounts.listing import Listing
from streams.accounts.snapshots import Telling
from streams.compiled_plan import CompiledPlan
from streams.measures.of_subjects import Values
from streams.roles import VALUES_ROLE
from streams.stage import Flushed, Outgoing
from streams.state_keys import LISTED, LISTED_FOR
from streams.values.book import Book
from streams.watermark import Announcements, Sources


class ToCompany:
    """Of one partition."""

    def __init__(
        self,
        compiled: CompiledPlan,
        held: HeldAccounts,
        books: AccountBooks,
        sources: Sources,
        announcements: Callable[[], Announcements],
        users: Sequence[str],
    ) -> None:
        """`announcements`: new ones of the partition. `users`: all partitions of users."""
        self._held, self._sources = held, sources
        programs, calendar = compiled.member, compiled.calendar
        self.listing: Listing | None = None
        """Hears of memberships and of values; None: no members are ranked."""
        if compiled.member_lists:
            self.listing = Listing(
                compiled.member_lists,
                programs.together.memberships,
                books.rows,
                calendar,
                announcements(),
            )
        self.telling: Telling | None = None
        """Hears of changes in accounts; None: nothing is predicted."""
        if programs.predictions:
            lateness_ms = compiled.plan.watermark.lateness_ms
            self.telling = Telling(
                programs.predictions, calendar, lateness_ms, announcements(), users
            )
        self._erasures = announcements()

    def flush(self, touched: dict[str, Values], now_ms: int, out: Flushed) -> None:
        """`touched`: accounts that changed, with the measures of their members together before."""
        self._list(now_ms, out)
        self._predict(touched, now_ms, out)

    def _list(self, now_ms: int, out: Flushed) -> None:
        """What rankings of members hear of accounts."""
        listing, held, sources = self.listing, self._held, self._sources
        if listing is None:
            return
        if listing.tells_all:
            listing.begin()
            for key in held.all:
                listing.passes(key, held.nobody, held.warmed(key).together)
        out.records.extend(
            listing.records(sources.watermark_ms, sources.first_fact_ms, now_ms, self._book_of)
        )
        out.entities.extend(listing.take_unsaved())

    def _book_of(self, key: str) -> Book | None:
        return self._held.all[key].book

    def _predict(self, touched: dict[str, Values], now_ms: int, out: Flushed) -> None:
        """What predictions hear of accounts."""
        if self.telling is None:
            return

        def values_of(key: str) -> Values:
            values = self._held.warmed(key).together
            self._held.cool()
            return values

        both: dict[str, tuple[Values, Values]] = {
            key: (old, self._held.all[key].together) for key, old in touched.items()
        }
        self.telling.flush(both, values_of)
        out.records.extend(self.telling.records(now_ms))
        out.entities.extend(self.telling.take_unsaved())

    def erase(self, accounts: Sequence[str], out: Flushed) -> None:
        """Tells predictions which accounts are no more, or belong to others."""
        if accounts and self.telling is not None:
            header = self._erasures.header(None, None)
            erased = [shown_account(key) or "" for key in accounts]
            batch = encode(ValueBatch(header, [], [], erased=erased))
            out.records.append(Outgoing(VALUES_ROLE, 0, None, batch))

    def load(self, what: str, place: Sequence[Any], content: Any) -> None:
        """Takes back a state record of rankings or of predictions."""
        if what in (LISTED, LISTED_FOR):
            if self.listing is not None:
                self.listing.load(what, place[0] if place else "", content)
        elif self.telling is not None:
            self.telling.load(what, place[0], content)
