"""Which run the state in a directory belongs to: only the same one may continue it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from agents.checkpoints.journal import Journal, StateError
from schemas.plan.fingerprint import plan_hash
from schemas.plan.models import Input, Plan
from schemas.times import iso


class FileMark(msgspec.Struct, array_like=True):
    """Tells if a file is as it was."""

    path: str
    bytes: int
    changed_ns: int


class Run(msgspec.Struct):
    """What the results of a replay follow from, and where they go."""

    plan: str
    input: str
    out: str
    until: str
    files: list[FileMark]
    inputs: list[str] = []
    """Names of the inputs of each file, where they are of several."""

    @classmethod
    def of(
        cls,
        paths: Sequence[str | Path],
        plan: Plan,
        inputs: Sequence[Input],
        out: str | Path,
        until_ms: int | None,
    ) -> Run:
        """StateError for a pipe: what was read of it cannot be read again."""
        until = "the end of the newest event's day" if until_ms is None else iso(until_ms)
        marks = [_mark(Path(path)) for path in paths]
        names = ", ".join(dict.fromkeys(each.name for each in inputs))
        of_each = [each.name for each in inputs] if len(set(inputs)) > 1 else []
        return cls(plan_hash(plan), names, str(Path(out).resolve()), until, marks, of_each)

    def differences(self, now: Run) -> Iterator[str]:
        """What is not as it was, as parts of a sentence."""
        if now.plan != self.plan:
            yield "the plan has changed"
        if [each.path for each in now.files] != [each.path for each in self.files]:
            yield f"the files were {', '.join(each.path for each in self.files)}"
        else:
            for before, mark in zip(self.files, now.files, strict=True):
                if before != mark:
                    yield f"{mark.path} has changed"
            for mark, was, is_ in zip(self.files, self.inputs, now.inputs, strict=False):
                if was != is_:
                    yield f"{mark.path} was of the input {was}"
        for option, was, is_ in (
            ("--input", self.input, now.input),
            ("--out", self.out, now.out),
            ("--until", self.until, now.until),
        ):
            if was != is_:
                yield f"{option} was {was}"


def _mark(path: Path) -> FileMark:
    found = os.stat(path)
    if path.is_fifo():
        raise StateError(f"{path} is a pipe, which cannot be continued: leave out --state")
    return FileMark(str(path), found.st_size, found.st_mtime_ns)


def begin_or_continue(journal: Journal, run: Run) -> None:
    """StateError when the journal is of another run than this."""
    if journal.settings is None:
        journal.begin(msgspec.json.encode(run).decode())
        return
    before = msgspec.json.decode(journal.settings, type=Run)
    differences = "; ".join(before.differences(run))
    if differences:
        raise StateError(
            f"{journal.folder} holds the state of another run: {differences}. Run that one again "
            "to continue it; to start over, remove the folder or name another one"
        )
