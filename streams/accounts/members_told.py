"""What accounts hear of their members from users: whose a raw id is, and if that person counts."""

from collections.abc import Callable

from schemas.batches import UserState
from schemas.keys import GONE
from streams.accounts.held import HeldAccounts
from streams.accounts.member_sums import MemberSums
from streams.accounts.state import Member
from streams.compiled_plan import CompiledPlan


class MembersTold:
    """Of one partition."""

    def __init__(
        self,
        compiled: CompiledPlan,
        held: HeldAccounts,
        sums: MemberSums,
        changes: Callable[[str], None],
    ) -> None:
        """`changes`: is told of an account in which somebody is another one."""
        self._names, self._held, self._sums = compiled.member.names, held, sums
        self._changes = changes

    def take(self, member: Member, state: UserState) -> None:
        """Takes what users says of a member."""
        if state.version < member.version or member.root.startswith(GONE):
            return
        names = dict(zip(self._names, state.names, strict=False))
        same = all(member.values[slot] == names.get(slot) for slot in self._names)
        if same and (member.root, member.left_out) == (state.root, state.excluded):
            member.version = state.version
            self._held.unsaved[member.place] = member
            return
        account = self._held.all[state.account]
        self._held.touch(member)
        self._changes(state.account)
        excluded = state.excluded or account.host is not None
        counts_otherwise = member.excluded != excluded
        if counts_otherwise:
            self._held.touch_together(account)
        self._sums.exclude(member, excluded=excluded)
        member.left_out, member.version = state.excluded, state.version
        for slot in self._names:
            member.values[slot] = names.get(slot)
        account.join(member, state.root)
        self._held.touch_person(account, state.root, before=member)
        if counts_otherwise:  # whose leaf it is makes no difference to what all did together
            self._held.add_together(account)
