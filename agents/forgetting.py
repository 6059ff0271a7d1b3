"""Takes out of the files of a replay what names somebody who was erased in it.

A topic forgets: what was said is taken back there, removed, or too old some day. A file does none
of that. So once a replay is done, lines go that name a user or an account that was erased, and a
dead letter of theirs keeps only where its record came from.
"""

import re
from base64 import b64decode
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import orjson

from schemas.experiments import EXPERIMENTS
from schemas.keys import ACCOUNT, ANONYMOUS, USER
from schemas.outputs import ALERTS, DEAD_LETTERS, KPIS, LISTS, SIGNALS
from streams.ingest.pseudonyms import Pseudonyms

REDACTED = "The record named somebody who was erased."
_REMEMBERED_MAX = 100_000
_WORDS = re.compile(rb"""[^\s"',;:=&|{}\[\]]+""")
_QUOTED = re.compile(rb'"([^"]*)"')

Hides = Callable[[str], bool]
"""True for the key of a user, a browser or an account that was erased."""


class Forgetting:
    """Edits lines of output files."""

    def __init__(self, hides: Hides, pseudonyms: Pseudonyms | None) -> None:
        """`pseudonyms`: that the plan puts on; dead letters are as records came."""
        self._pseudonyms = pseudonyms
        self._hides = lru_cache(_REMEMBERED_MAX)(hides)

    def edited(self, role: str, line: bytes) -> bytes | None:
        """A line of an output as it may stay; None: it must not."""
        record = orjson.loads(line)
        if role != DEAD_LETTERS:
            return None if any(map(self._hides, _keys_in(role, record))) else line
        if not any(map(self._is_erased, _words_in(b64decode(record["original"])))):
            return line
        return orjson.dumps(record | {"original": "", "reason": REDACTED}) + b"\n"

    def _is_erased(self, id: str) -> bool:
        """True for an id, as events have it, of somebody who was erased."""
        user, account = id, id
        if self._pseudonyms is not None:
            user, account = self._pseudonyms.user(id) or id, self._pseudonyms.account(id) or id
        return any(map(self._hides, (USER + user, ANONYMOUS + user, ACCOUNT + account)))


def _keys_in(role: str, record: Any) -> Iterator[str]:
    """The keys of everybody that a record of an output names."""
    if role in (KPIS, LISTS):
        yield from _subject(record["level"], record["subject"])
        for line in (*record.get("top", ()), *record.get("bottom", ())):
            if "entered" in line:
                yield ACCOUNT + line["name"]
    elif role in (SIGNALS, ALERTS):
        told = record["data"] if role == ALERTS else record
        yield from _subject("account", told["account"])
        yield from _subject("user", told["user"])
        for user in _users_in(told["evidence"]):
            yield from _subject("user", user)


def _subject(level: str, shown: str | None) -> Iterator[str]:
    if shown is not None:
        of_user = shown if shown.startswith(ANONYMOUS) else USER + shown
        yield ACCOUNT + shown if level == "account" else of_user


def _users_in(evidence: Any) -> Iterator[str | None]:
    if isinstance(evidence, dict):
        yield evidence.get("user")
        yield from evidence.get("users", ())
        for field, each in evidence.items():
            if field != EXPERIMENTS:  # an experiment may be called `users`
                yield from _users_in(each)


def _words_in(record: bytes) -> Iterator[str]:
    """Everything in a record that may be an id, whether it can be read or not."""
    try:
        yield from _texts(orjson.loads(record))
    except orjson.JSONDecodeError:
        for found in (*_WORDS.findall(record), *_QUOTED.findall(record)):
            yield found.decode("utf-8", "replace")


def _texts(value: Any) -> Iterator[str]:
    """All that stands in JSON data, as text."""
    if isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif value is not None:
        yield str(value)
