"""python -m tests.soak: crashes, random lives of stages and bad input, for as long as one likes.

And once docs/existing-kafka.md and the simulated company on Kafka, which take too long for every
run of the tests.
"""

import argparse
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.crash.chaos import LONG
from tests.crash.run import Size, crash_test
from tests.kafka_broker import own_broker
from tests.soak import bad_input, existing_kafka, interleavings, world_on_kafka

SECONDS = 600.0
SHOWN = 20
LOAD = Size(events_per_s=500, events_per_day=20_000)


def crash(seed: int, seconds: float, *, transactions: bool = True) -> list[str]:
    """Trouble for workers and broker under load."""
    folder = Path(tempfile.mkdtemp(prefix=f"headwater-crash-{seed}-"))
    size = LOAD._replace(seconds=seconds)
    with own_broker(folder / "broker") as broker:
        outcome = crash_test(seed, size, LONG, broker, folder, transactions=transactions)
    print(f"{outcome.events} events", flush=True)
    if outcome.complaints:
        print(f"what was sent, written and said is in {folder}", flush=True)
    else:
        shutil.rmtree(folder)
    return outcome.complaints


def control(seed: int, seconds: float) -> list[str]:
    """The same without transactions: nothing wrong would be wrong."""
    found = crash(seed, seconds, transactions=False)
    print(f"without transactions: {len(found)} complaints", flush=True)
    return [] if found else ["without transactions nothing was wrong either"]


PARTS: Mapping[str, Callable[[int, float], list[str]]] = {
    "crash": crash,
    "control": control,
    "interleavings": interleavings.complaints_within,
    "bad-input": bad_input.complaints_within,
    "existing-kafka": existing_kafka.complaints,
    "world": world_on_kafka.complaints,
}
"""What can be run: seed and seconds to complaints."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (all)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for each part (600)")
    parser.add_argument("--seed", type=int, help="to do again what was done (random)")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    seed = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    wrong = False
    for part in options.parts or PARTS:
        print(f"{part}, seed {seed}, {options.seconds:.0f} s", flush=True)
        complaints = PARTS[part](seed, options.seconds)
        print(*complaints[:SHOWN], f"{part}: {len(complaints)} complaints", sep="\n", flush=True)
        wrong = wrong or bool(complaints)
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
