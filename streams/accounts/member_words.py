"""What accounts tell their users, so that these know it: what they have, and what they stand at."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from schemas.keys import ACCOUNT
from streams.accounts.entitlements import News
from streams.accounts.held import HeldAccounts
from streams.accounts.state import Account, HostTold, Member, guest_of
from streams.compiled_plan import CompiledPlan
from streams.measures.account_stands import NOTHING_TOLD
from streams.measures.of_subjects import Values

Concerns = Callable[[Account, Values], bool]
"""Whether all members of an account have to be looked at, whose measures of all were these."""


class MemberWords:
    """Those of a plan: what members do not know yet.

    Looked at are members that changed since the last flush, and all of an account that changed
    itself, or was told something by the one it belongs to.
    """

    def __init__(self, compiled: CompiledPlan) -> None:
        self._calendar = compiled.calendar
        self._entitlements = compiled.member.entitlements
        self._stands = compiled.member.stands_told

    def __bool__(self) -> bool:
        return bool(self._entitlements or self._stands)

    def changed(self, old: Values, new: Values) -> bool:
        """Whether an account has something else to tell, by the measures of all its members."""
        if self._entitlements.changed(old, new):
            return True
        return bool(self._stands) and self._stands.changed_from(old, new) is not None

    def of_host(self, together: Values) -> HostTold:
        """What an account tells those that belong to it."""
        slots, stands = self._entitlements.slots, self._stands
        had = [value if slot in slots else None for slot, value in enumerate(together)]
        return HostTold(had, stands.stands(together) if stands else NOTHING_TOLD)

    def of_entitlements(
        self, held: HeldAccounts, heard: Iterable[str]
    ) -> Iterator[tuple[Member, News]]:
        """What members do not know of what their accounts have. `heard`: accounts whose hosts told
        them something.
        """
        if not self._entitlements:
            return

        def concerns(account: Account, old: Values) -> bool:
            return self._entitlements.changed(old, account.together)

        for account, members in _concerned(held, concerns, heard):
            had = account.together if account.host_told is None else account.host_told.had
            for member in members.values():
                for news in self._entitlements.news(account.key, had, member.values):
                    yield member, news

    def of_stands(
        self, held: HeldAccounts, watermark_ms: int | None, heard: Iterable[str]
    ) -> Iterator[tuple[Member, News]]:
        """What members do not know of what their accounts stand at."""
        if not self._stands:
            return
        today = None if watermark_ms is None else self._calendar.day(watermark_ms)

        def concerns(account: Account, old: Values) -> bool:
            first = self._stands.changed_from(old, account.together)
            if first is None:
                return False
            return (today is not None and first <= today) or first <= self._acted_until(account)

        for member in held.unsaved.values():
            account = held.all[member.account]
            if account.acted_until is not None:
                account.acted_until = max(account.acted_until, self._last_day(member))
        for account, members in _concerned(held, concerns, heard):
            host = account.host_told
            stands = self._stands.stands(account.together) if host is None else host.stands
            for member in members.values():
                for news in self._stands.news(account.key, stands, member.values, today):
                    yield member, news

    def _acted_until(self, account: Account) -> int:
        if account.acted_until is None:
            account.acted_until = max(map(self._last_day, account.members.values()), default=_NEVER)
        return account.acted_until

    def _last_day(self, member: Member) -> int:
        day = self._stands.last_day(member.values)
        return _NEVER if day is None else day


_NEVER = -(1 << 62)


def _concerned(
    held: HeldAccounts, concerns: Concerns, heard: Iterable[str]
) -> Iterator[tuple[Account, Mapping[str, Member]]]:
    """Accounts, and those of their own members that have to be looked at, by leaf."""
    found: dict[str, dict[str, Member]] = {}
    for (key, leaf), member in held.unsaved.items():
        found.setdefault(key, {})[leaf] = member
    for key, old in held.before_together.items():
        if concerns(held.all[key], old):
            found.setdefault(key, {}).update(held.all[key].members)
    for key in heard:
        found.setdefault(key, {}).update(held.warmed(key).members)
    for key, members in found.items():
        account = held.all[key]
        waits = account.host is not None and account.host_told is None  # its host is about to say
        if key.startswith(ACCOUNT) and not waits:
            yield account, {leaf: m for leaf, m in members.items() if leaf and not guest_of(leaf)}
