"""Which account belongs to which, by the words of events; every partition hears all of them.

The latest word on an account holds, for all that the account ever did. Of earlier ones the last
that names each other account is kept, too: it holds if the accounts that later ones name are
erased.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from schemas.batches import Merge
from streams.chains import root_of
from streams.state_keys import MERGES, state_key, state_value

Words = dict[str | None, tuple[int, str]]
"""Of an account: the one that it belongs to, or None -> the last time (UTC ms) and id of an event
that says so."""


class AccountMerges:
    """Those that one partition was told of."""

    def __init__(self) -> None:
        self._words: dict[str, Words] = {}
        self._hosts: dict[str, str] = {}
        """What was found since the last change."""
        self._unsaved: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._words)

    @property
    def told_of(self) -> Iterable[str]:
        """The keys of accounts that something was said of."""
        return self._words.keys()

    def host(self, key: str) -> str:
        """The key of the account that one belongs to, through all others: its own, if to none.

        >>> merges = AccountMerges()
        >>> for word in (Merge("a:1", "a:2", 0, ""), Merge("a:2", "a:3", 0, "")):
        ...     merges.add(word)
        >>> merges.host("a:1"), merges.host("a:4")
        ('a:3', 'a:4')
        """
        if key not in self._words:
            return key
        host = self._hosts.get(key)
        if host is None:
            host = self._hosts[key] = root_of(self._chain(key))
        return host

    def _chain(self, key: str) -> list[str]:
        chain = [key]
        while (into := self._into(chain[-1])) is not None:
            chain.append(into)
            if into in chain[:-1]:
                break
        return chain

    def _into(self, key: str) -> str | None:
        words = self._words.get(key)
        return max(words, key=words.__getitem__) if words else None

    def joined(self, host: str) -> list[str]:
        """The keys of all other accounts that belong to one."""
        return sorted(key for key in self._words if key != host and self.host(key) == host)

    def add(self, word: Merge) -> None:
        """Takes a word on an account."""
        words, moment = self._words.setdefault(word.account, {}), (word.time_ms, word.event_id)
        if word.into not in words or words[word.into] < moment:
            words[word.into] = moment
            self._changed(word.account)

    def erase(self, account: str) -> None:
        """Forgets every word that names an account."""
        for key in [key for key, words in self._words.items() if account in (key, *words)]:
            self._words[key].pop(account, None)
            if key == account or not self._words[key]:
                del self._words[key]
            self._changed(key)

    def _changed(self, key: str) -> None:
        self._hosts.clear()
        self._unsaved.add(key)

    # ---- checkpoints

    def take_unsaved(self) -> Iterator[tuple[bytes, bytes | None]]:
        for key in sorted(self._unsaved):
            words = self._words.get(key)
            content = None if words is None else [(into, *of) for into, of in words.items()]
            yield state_key(MERGES, key), None if content is None else state_value(content)
        self._unsaved.clear()

    def load(self, key: str, content: Iterable[Any]) -> None:
        """Takes back a record of state."""
        self._words[key] = {into: (time_ms, id) for into, time_ms, id in content}
