"""Whether an installation came to what an undisturbed replay of the same events comes to."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.records import Result, repetitions, result_of, settled
from tests.replays import replay, write_lines


def undisturbed(lines: Sequence[bytes], plan: Path, until: str, folder: Path) -> Result:
    """What `headwater replay` makes of the lines."""
    folder.mkdir(parents=True, exist_ok=True)
    file = write_lines(folder / "events.jsonl", lines)
    done = replay(file, plan, folder, until)
    return Result(done.kpis, done.signals, done.dead_letters, done.alerts, done.lists)


def complaints_about(outputs: Mapping[str, list[bytes]], wanted: Result) -> list[str]:
    """One line for everything that is wrong, missing, too much or written more than once."""
    result = result_of(outputs)
    ours, truth = settled(result), settled(wanted)
    found = repetitions(outputs)
    found += [f"undisturbed there is no {each}" for each in sorted(ours - truth)]
    found += [f"undisturbed there is {each}" for each in sorted(truth - ours)]
    if len(result.dead_letters) != len(wanted.dead_letters):
        found.append(f"{len(result.dead_letters)} dead letters, not {len(wanted.dead_letters)}")
    return found
