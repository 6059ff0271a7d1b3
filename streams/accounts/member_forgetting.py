"""What accounts forget of their members, see forgetting."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from streams.accounts.counted_cells import cells_of, cells_since, packed_cells
from streams.accounts.state import Account, Member
from streams.cold import cold_group, records_of
from streams.compiled_plan import CompiledPlan
from streams.forgetting import AT_ONCE, Forgetting, Looks
from streams.state_costs import ACCOUNTS
from streams.state_keys import ENTERED, MEMBER, read_value, state_key, state_value


class MemberForgetting:
    """Those of one partition. An account that is due is walked through, some members a flush."""

    def __init__(
        self,
        compiled: CompiledPlan,
        tally_days: int,
        pack: Callable[[Member], bytes],
        keep_entries: Callable[[str, int], bytes | None],
        find_again: Callable[[Account, Sequence[Any]], None],
    ) -> None:
        """`pack`: the record of a member. `keep_entries`: keeps the first entries of an account
        before a time (UTC ms), in a record if there can be any. `find_again`: finds how an account
        stands that has other measures now than those given, without a word to anybody.
        """
        self._of = Forgetting(compiled, ACCOUNTS, MEMBER, tally_days)
        self._crowds, self._calendar = compiled.member.crowds, compiled.calendar
        self._pack, self._keep_entries, self._find_again = pack, keep_entries, find_again
        self.looks: Looks[str] = Looks(self._of.span_days)
        self._walk: tuple[str, Iterator[str], int] | None = None
        """An account, those of its members who are left, and the first day that is kept."""
        self._at_rest = True
        self.shortened = 0
        """Members of whom something was forgotten."""

    def flush(
        self, watermark_ms: int | None, accounts: Mapping[str, Account]
    ) -> Iterator[tuple[bytes, bytes]]:
        """The records that are other ones now. Nothing else may be unsaved."""
        if watermark_ms is None:
            return
        today = self._calendar.day(watermark_ms)
        left = AT_ONCE
        while left:
            if self._walk is None:
                key = next(self.looks.take(today, 1), None)
                if key is None:
                    return
                if key not in accounts:
                    continue  # it was erased
                entered = self._keep_entries(key, self._of.shown_ms(today))
                if entered is not None:
                    yield state_key(ENTERED, key), entered
                leaves = [*records_of(accounts[key].cold), *accounts[key].members]
                self._walk = key, iter(leaves), self._of.before(today)
                self._at_rest = True
            key, walk, before = self._walk
            account, leaf = accounts.get(key), next(walk, None)
            left -= 1
            if account is None:
                self._walk = None
                continue
            if leaf is None:
                self._forget_together(account, before)
                self.looks.again(key, today, at_rest=self._at_rest)
                self._walk = None
                continue
            record = self._forget(account, leaf, before, today)
            if record is not None:
                self.shortened += 1
                yield state_key(MEMBER, key, leaf), record

    def _forget(self, account: Account, leaf: str, before: int, today: int) -> bytes | None:
        """Forgets what there is of a member; its record, if there was something."""
        cold, member = records_of(account.cold), account.members.get(leaf)
        if leaf in cold:
            content = read_value(cold[leaf])
            *_, values, counted = content
            cells = cells_of(counted)
            kept = cells_since(cells, before, self._calendar)
            changed = self._of.of_packed(values, before)
            self._at_rest &= not kept and self._of.is_at_rest(values, today, packed=True)
            if not changed and kept is cells:
                return None
            cold[leaf] = state_value((*content[:-1], packed_cells(kept)))
            account.cold = cold_group(cold)
            return cold[leaf]
        if member is None or member.packed is None:
            return None
        kept = cells_since(member.counted, before, self._calendar)
        changed = self._of.of_values(member.values, before) or kept is not member.counted
        member.counted = kept
        at_rest = self._of.is_at_rest(member.values, today, packed=False)
        self._at_rest &= at_rest and not kept
        if not changed:
            return None
        member.packed = self._pack(member)
        return member.packed

    def _forget_together(self, account: Account, before: int) -> None:
        """Forgets what all members did together, where it is known."""
        if account.members and account.together:
            old = [*account.together]
            self._of.of_values(account.together, before)
            self._crowds.forget(account.together, self._of.slots, before)
            self._find_again(account, old)
