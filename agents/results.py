"""What a replay leaves behind: files of records, and the figures for its last words."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from heapq import nlargest
from itertools import groupby
from operator import attrgetter, itemgetter
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, NamedTuple

import orjson

from agents.checkpoints.journal import sync_folder
from schemas.outputs import (
    ALERTS,
    DEAD_LETTERS,
    KPIS,
    LISTS,
    ROLES,
    SIGNALS,
    KpiKey,
    canonical_json,
)
from schemas.times import parse_iso
from streams.stage import Outgoing

SUMMARY_FILE = "summary.json"
_UNFINISHED = ".unfinished"
_BUFFER_BYTES = 1024 * 1024
NOTHING: Mapping[str, int] = MappingProxyType({})
Edited = Callable[[str, bytes], bytes | None]
"""Takes a role and a line of its file; the line that is to stay there, None: none."""
_KEY_FIELDS = (*KpiKey._fields[:6], "start", "end")


def file_name(role: str) -> str:
    """The file that holds the records of an output topic."""
    return f"{role.replace('-', '_')}.jsonl"


class OutputError(Exception):
    """The folder for results cannot be written to; says why."""


class ResultFiles:
    """One file for each output topic, a record a line; complete, or not there under its name.

    Results of an earlier run stay until these are complete.
    """

    def __init__(self, folder: Path, lengths: Mapping[str, int] = NOTHING) -> None:
        """Creates the folder. OutputError if that is impossible.

        `lengths`: of files that an earlier process left, what is to stay, in bytes by role.
        """
        self.folder = folder
        self._open = ExitStack()
        self._synced: dict[str, int] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._files = {role: self._opened(role, lengths.get(role, 0)) for role in ROLES}
            sync_folder(folder)
        except OSError as error:
            self.close()
            problem = f"{folder} cannot hold the results: {error.strerror}; choose another folder"
            raise OutputError(problem) from error

    def _opened(self, role: str, length: int) -> BinaryIO:
        path = self._unfinished(role)
        if not length:
            return self._open.enter_context(path.open("wb", _BUFFER_BYTES))
        if not path.exists() or path.stat().st_size < length:
            raise OutputError(
                f"{path} is not there, or not whole: the run cannot be continued. To start over, "
                "remove its state"
            )
        file = self._open.enter_context(path.open("r+b", _BUFFER_BYTES))
        file.truncate(length)
        file.seek(length)
        return file

    def _unfinished(self, role: str) -> Path:
        return self.folder / (file_name(role) + _UNFINISHED)

    def write(self, records: Iterable[Outgoing]) -> None:
        """OutputError when the disk is full, or fails."""
        try:
            for role, of_role in groupby(records, key=attrgetter("role")):
                lines = [value for _, _, _, value in of_role if value is not None]
                self._files[role].write(b"\n".join([*lines, b""]))
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> OutputError:
        return OutputError(f"the results in {self.folder} cannot be written: {error.strerror}")

    def sync(self) -> dict[str, int]:
        """Makes what was written durable; returns the length of each file in bytes, by role."""
        for role, file in self._files.items():
            file.flush()
            if file.tell() != self._synced.get(role):
                os.fsync(file.fileno())
                self._synced[role] = file.tell()
        return dict(self._synced)

    def written(self) -> Iterator[Outgoing]:
        """What an earlier process has written, as records without keys."""
        for role in ROLES:
            with self._unfinished(role).open("rb") as lines:
                for line in lines:
                    yield Outgoing(role, None, None, line)

    def edit(self, edited: Edited) -> dict[str, int]:
        """Passes every line through `edited`; how many were dropped, by role.

        A file is the old one or the new one, whole, whatever happens. Nothing may be written
        afterwards.
        """
        dropped: dict[str, int] = {}
        try:
            self.sync()
            for role in ROLES:
                path = self._unfinished(role)
                new = path.with_suffix(".edited")
                dropped[role] = 0
                with path.open("rb") as lines, new.open("wb", _BUFFER_BYTES) as kept:
                    for line in lines:
                        left = edited(role, line)
                        dropped[role] += left is None
                        kept.write(left or b"")
                    kept.flush()
                    os.fsync(kept.fileno())
                os.replace(new, path)
        except OSError as error:
            raise self._failed(error) from error
        return dropped

    def finish(self, summary: dict[str, Any]) -> None:
        """Gives every file its name, the summary last. OutputError when the disk is full."""
        unfinished = self.folder / (SUMMARY_FILE + _UNFINISHED)
        try:
            self._open.close()
            unfinished.write_bytes(orjson.dumps(summary, option=orjson.OPT_INDENT_2) + b"\n")
            for role in ROLES:
                os.replace(self._unfinished(role), self.folder / file_name(role))
            os.replace(unfinished, self.folder / SUMMARY_FILE)
            sync_folder(self.folder)
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """What was written stays, for a process that continues."""
        with suppress(OSError):  # of what a full disk did not take; it was reported by then
            self._open.close()

    def discard(self) -> None:
        """Removes what was written so far; without effect after `finish`."""
        self.close()
        for role in ROLES:
            self._unfinished(role).unlink(missing_ok=True)


def reopen(folder: Path) -> dict[str, int]:
    """Takes the names back from results that were about to be finished; how long each file is."""
    lengths: dict[str, int] = {}
    for role in ROLES:
        named = folder / file_name(role)
        unfinished = folder / (file_name(role) + _UNFINISHED)
        if named.exists() and not unfinished.exists():
            os.replace(named, unfinished)
        if unfinished.exists():
            lengths[role] = unfinished.stat().st_size
    return lengths


class Point(NamedTuple):
    """A published value of a series."""

    start_ms: int
    end_ms: int
    value: float | None
    parts: dict[str, Any]
    over: bool
    """False while the value is provisional."""


class Series(NamedTuple):
    """The values of one KPI, over all segments, in one kind of period."""

    kpi: str
    period: str
    variant: str | None = None
    level: str = "company"
    """`account`: of all accounts, of the newest period alone."""


_OF_COMPANY = b'"company"'
"""In the keys of lists of the company."""
EACH = "*"
"""In place of a variant: every one that there is."""


class Figures:
    """The last values of chosen series, the signals that stand, and what could not be read."""

    def __init__(self, series: Iterable[Series]) -> None:
        self._chosen = {(s.kpi, s.variant, s.level, "all", s.period): s for s in series}
        self._kpis = {canonical_json([kpi])[:-1] for kpi, *_ in self._chosen}
        """As keys of their values begin."""
        self._names: dict[Series, dict[str, Series]] = defaultdict(dict)
        """The series of each variant of one that stands for every variant."""
        self._of_accounts: dict[Series, tuple[str, dict[str, bytes]]] = {}
        """The start of the newest period, and the records of accounts in it."""
        self._points: dict[Series, dict[int, Point]] = defaultdict(dict)
        self._signals: dict[str, tuple[int, bytes | None]] = {}
        self._lists: dict[str, tuple[tuple[str, str], bytes]] = {}
        """KPI of a ranking of the company -> the end and the start of its newest list, the list."""
        self.dead_letters: dict[str, int] = defaultdict(int)
        self.alerts = 0

    def take(self, records: Iterable[Outgoing]) -> None:
        """Takes in records of a replay, in their order."""
        for role, _, key, value in records:
            if value is None:
                continue
            if role == KPIS:
                if not key or key[: key.find(b",")] in self._kpis:
                    self._take_value(key, value)
            elif role == LISTS:
                if key is None or _OF_COMPANY in key:
                    self._take_list(value)
            elif role == SIGNALS:
                self._take_signal(value)
            elif role == DEAD_LETTERS:
                self.dead_letters[orjson.loads(value)["code"]] += 1
            elif role == ALERTS:
                self.alerts += 1

    def _take_value(self, key: bytes | None, value: bytes) -> None:
        kpi, variant, level, subject, segment, period, start, end = (
            orjson.loads(key) if key else _key_in(value)
        )
        series = self._chosen.get((kpi, variant, level, segment, period))
        if series is None and variant is not None:
            each = self._chosen.get((kpi, EACH, level, segment, period))
            if each is not None:
                series = self._names[each].setdefault(variant, each._replace(variant=variant))
        if series is None:
            return
        if level == "account":
            self._take_of_account(series, start, subject, value)
            return
        found = orjson.loads(value)
        start_ms = parse_iso(start)
        self._points[series][start_ms] = Point(
            start_ms,
            parse_iso(end),
            found["value"],
            found["parts"] or {},
            found["status"] != "provisional",
        )

    def _take_of_account(self, series: Series, start: str, account: str, record: bytes) -> None:
        newest, records = self._of_accounts.get(series, ("", {}))
        if start > newest:
            newest, records = self._of_accounts[series] = start, {}
        if start == newest:
            records[account] = record

    def _take_signal(self, value: bytes) -> None:
        signal = orjson.loads(value)
        known = self._signals.get(signal["id"])
        if known is None or signal["revision"] >= known[0]:
            self._signals[signal["id"]] = (
                signal["revision"],
                None if signal["retracted"] else value,
            )

    def _take_list(self, value: bytes) -> None:
        """Keeps the last one that is over; of those that end together, the longest."""
        found = orjson.loads(value)
        if found["level"] == "company" and found["segment"] == "all":
            known = self._lists.get(found["kpi"])
            newer = known is None or (found["end"], known[0][1]) >= (known[0][0], found["start"])
            if newer and found["status"] != "provisional":
                self._lists[found["kpi"]] = (found["end"], found["start"]), value

    @property
    def newest_lists(self) -> list[dict[str, Any]]:
        """The newest list of each ranking, by their names; without those that nobody is on."""
        lists = (orjson.loads(value) for _, value in self._lists.values())
        return sorted((each for each in lists if each["top"]), key=itemgetter("kpi"))

    def points(self, series: Series) -> list[Point]:
        """The values of a series, in the order of time."""
        return [point for _, point in sorted(self._points[series].items())]

    def names(self, series: Series) -> dict[str, list[Point]]:
        """The values by variant, of a series that stands for every variant."""
        named = self._names[series].items()
        return {variant: self.points(each) for variant, each in sorted(named)}

    def of_accounts(self, series: Series) -> list[tuple[str, float]]:
        """(account, value) in the newest period, the greatest first."""
        _, records = self._of_accounts.get(series, ("", {}))
        found = ((account, orjson.loads(record)["value"]) for account, record in records.items())
        values = [(account, value) for account, value in found if value is not None]
        return sorted(values, key=lambda each: (-each[1], each[0]))

    @property
    def standing(self) -> int:
        """The number of signals that were not taken back."""
        return sum(value is not None for _, value in self._signals.values())

    def newest_signals(self, most: int) -> list[dict[str, Any]]:
        """The latest of the signals that stand, the newest first."""
        standing = (value for _, value in self._signals.values() if value is not None)
        return nlargest(most, map(orjson.loads, standing), key=_instant)


def _key_in(value: bytes) -> list[Any]:
    record = orjson.loads(value)
    return [record[field] for field in _KEY_FIELDS]


def _instant(signal: dict[str, Any]) -> tuple[str, str]:
    return signal["at"], signal["id"]
