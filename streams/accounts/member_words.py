"""What accounts tell their users, so that these know it: what they have, and what they stand at."""

from collections.abc import Iterator, Mapping

from schemas.keys import ACCOUNT
from streams.accounts.entitlements import News
from streams.accounts.held import HeldAccounts
from streams.accounts.state import Member
from streams.compiled_plan import CompiledPlan
from streams.measures.of_subjects import Values


class MemberWords:
    """Those of a plan."""

    def __init__(self, compiled: CompiledPlan) -> None:
        self._entitlements = compiled.member.entitlements
        self._stands = compiled.member.stands_told
        self._told = self._entitlements, self._stands

    def __bool__(self) -> bool:
        return bool(self._entitlements or self._stands)

    def news(self, held: HeldAccounts) -> Iterator[tuple[Member, News]]:
        """What members do not know yet: those that changed since the last flush, and all of an
        account that changed itself.
        """
        members: dict[str, dict[str, Member]] = {}
        for (key, leaf), member in held.unsaved.items():
            members.setdefault(key, {})[leaf] = member
        for key, old in held.before_together.items():
            account = held.all[key]
            if any(told.changed(old, account.together) for told in self._told):
                members.setdefault(key, {}).update(account.members)
        for key, of_account in members.items():
            if key.startswith(ACCOUNT):
                yield from self._news(key, held.all[key].together, of_account)

    def _news(
        self, account: str, together: Values, members: Mapping[str, Member]
    ) -> Iterator[tuple[Member, News]]:
        stands = self._stands.stands(together)
        for leaf, member in members.items():
            if leaf:
                for news in (
                    *self._entitlements.news(account, together, member.values),
                    *self._stands.news(account, stands, member.values),
                ):
                    yield member, news
