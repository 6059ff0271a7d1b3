"""What facts of members add up to, for the company and for accounts, such as revenue.

What was added of somebody who may still be left out is kept, so that it can be taken back.
"""

from collections.abc import Iterable

from schemas.batches import Values as FactValues
from schemas.keys import ACCOUNT
from schemas.times import HOUR_MS
from streams.accounts.books import AccountBooks
from streams.accounts.counted import Counted
from streams.accounts.counted_cells import add_cell, each_cell
from streams.accounts.event_codes import Coded
from streams.accounts.held import HeldAccounts
from streams.accounts.state import NO_CELLS, Member
from streams.compiled_plan import CompiledPlan
from streams.contributions import Cell, TallyKey
from streams.fact_cells import Numbers
from streams.measures.day_sums import added
from streams.measures.kinds import ALL
from streams.tallies.delta_batches import ToTallies
from streams.values.tally import HOURLY


class MemberSums:
    """Those of one partition."""

    def __init__(
        self,
        compiled: CompiledPlan,
        held: HeldAccounts,
        books: AccountBooks,
        to_tallies: ToTallies,
        to_users: Counted,
    ) -> None:
        """`to_users`: what they are told of their sums."""
        self._calendar = compiled.calendar
        self._held, self._books = held, books
        self._to_tallies, self._to_users = to_tallies, to_users
        plan = compiled.plan
        self._may_go = plan.erasure is not None or bool(plan.account_merges)
        self._keeps = plan.members_may_leave

    def add(self, member: Member, coded: Coded, time_ms: int, values: FactValues) -> None:
        """Adds the facts of an event to the rows that are made of such. `values`: of its facts."""
        day, hour = self._calendar.day(time_ms), time_ms // HOUR_MS
        for tallies, hourly, needs, place, numbers, told in coded.additions:
            if needs != "any" and not _names(member, needs):
                continue
            if callable(numbers):
                numbers = numbers(values[place] if values else None)
            for tally in tallies:
                for part, x, n in numbers:
                    self._add_for(member, (tally, part, day, x), n)
                    if hourly:
                        self._add_for(member, (tally, part + HOURLY, hour, x), n)
            if told and member.leaf:
                of_all = [tally for tally in tallies if tally.segment == ALL]
                self._tell(member, of_all, numbers, day, hour if hourly else None)

    def _tell(
        self,
        member: Member,
        tallies: Iterable[TallyKey],
        numbers: Numbers,
        day: int,
        hour: int | None,
    ) -> None:
        """Tells the user what was added. `hour`: None if hours do not count."""
        for kpi, variant, _ in tallies:
            for part, x, n in numbers:
                facts = [added(kpi, (variant, part, x, None))]
                if hour is not None:
                    facts.append(added(kpi, (variant, part + HOURLY, x, hour)))
                self._to_users.add(member.place, day, [(fact, n) for fact in facts])

    def _add_for(self, member: Member, cell: Cell, n: int) -> None:
        if self._keeps and (member.leaf or (self._may_go and member.account)):
            if member.counted is NO_CELLS:
                member.counted = {}
            add_cell(member.counted, cell, n)
            self._held.unsaved[member.place] = member
            if member.excluded:
                return
        self._add_cell(member.account, cell, n)

    def exclude(self, member: Member, *, excluded: bool) -> None:
        """Lets a member count no more, or again, and what its facts added with it."""
        if member.excluded != excluded:
            if excluded:
                self.take_back(member)
            else:
                self.put_back(member)
        member.excluded = excluded

    def take_back(self, member: Member) -> None:
        """What the facts of a member added counts no more."""
        for cell, n in each_cell(member.counted):
            self._add_cell(member.account, cell, -n)

    def put_back(self, member: Member) -> None:
        """It counts again."""
        for cell, n in each_cell(member.counted):
            self._add_cell(member.account, cell, n)

    def _add_cell(self, account_key: str, cell: Cell, n: int) -> None:
        """A fact that counts for the company, and for its account where the plan asks."""
        self._to_tallies.deltas.cells[cell] += n
        if self._books.holds(cell):
            book = self._held.account(account_key).book
            if book is not None:
                book.add_cell(cell, n)
                self._books.touch(account_key)


def _names(member: Member, whom: str) -> bool:
    """Whether the events of a member name a user, an account, or nobody (no user)."""
    if whom == "nobody":
        return not member.leaf
    return bool(member.leaf) if whom == "user" else member.account.startswith(ACCOUNT)
