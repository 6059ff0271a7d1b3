"""Pseudonyms in place of ids, put on before anything else sees an event."""

from schemas.events import Event
from schemas.keyed_hash import KeyedHash
from schemas.plan.models import Plan

REMEMBERED_MAX = 100_000


class Pseudonyms:
    """Keyed hashes of the ids of users, and of accounts, as far as the plan asks for them."""

    def __init__(self, plan: Plan, keyed: KeyedHash) -> None:
        self._users, self._accounts = plan.pseudonyms.users, plan.pseudonyms.accounts
        self._keyed = keyed
        self._known: dict[tuple[str, str], str] = {}

    def user(self, id: str | None) -> str | None:
        """Of a user, a browser, or an earlier id: the same for the same id."""
        return self._of("user", id) if self._users else id

    def account(self, id: str | None) -> str | None:
        return self._of("account", id) if self._accounts else id

    def put_on(self, event: Event) -> None:
        """Replaces the ids of an event."""
        event.user, event.anonymous = self.user(event.user), self.user(event.anonymous)
        event.previous, event.account = self.user(event.previous), self.account(event.account)

    def _of(self, what: str, id: str | None) -> str | None:
        if id is None:
            return None
        known = self._known.get((what, id))
        if known is None:
            if len(self._known) >= REMEMBERED_MAX:
                self._known.clear()
            known = self._known[what, id] = self._keyed.of(what, id)
        return known
