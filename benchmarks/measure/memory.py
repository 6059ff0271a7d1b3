"""Resident memory per membership, a user in an account: the whole worker's, without librdkafka.

Each size is a process of its own that processes two days of use of each membership, with an
activation on the second. What a process with few memberships holds is subtracted: Python, the
libraries, the compiled plan. Run as a program it is one such process.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

from benchmarks.generate import ACTIVATION
from benchmarks.measure import embedded
from benchmarks.measure.asked import Asked
from benchmarks.measure.processes import rss_bytes
from benchmarks.measure.workload import Planned
from schemas.times import DAY_MS

START_MS = 20_000 * DAY_MS
PASSES = ("Page Viewed", ACTIVATION)
PASS_MS = DAY_MS
"""Each pass sees every membership once: two days in all, so that their values weigh nothing."""
USERS_PER_ACCOUNT = 10


class Size(NamedTuple):
    base: int
    memberships: tuple[int, ...]


FULL = Size(1_000, (10_000, 100_000, 1_000_000))
QUICK = Size(1_000, (5_000, 10_000))


def measure(asked: Asked) -> dict[str, Any]:
    size = QUICK if asked.quick else FULL
    base_bytes = _rss_with(size.base)
    found: dict[str, Any] = {"base_rss_bytes": base_bytes}
    for memberships in size.memberships:
        rss = _rss_with(memberships)
        found[f"rss_bytes_{memberships}"] = rss
        found[f"bytes_per_membership_{memberships}"] = round(
            (rss - base_bytes) / (memberships - size.base)
        )
    found["bytes_per_membership"] = found[f"bytes_per_membership_{size.memberships[-1]}"]
    return found


def _rss_with(memberships: int) -> int:
    rss: int = embedded.alone("benchmarks.measure.memory", memberships)["rss_bytes"]
    return rss


def events(memberships: int) -> Iterator[tuple[Planned, int]]:
    """In order of time."""
    for number, name in enumerate(PASSES):
        for member in range(memberships):
            event = Planned(f"acct-{member // USERS_PER_ACCOUNT}", f"user-{member}", name)
            yield event, START_MS + number * PASS_MS + member * PASS_MS // memberships


def main() -> None:
    stages = embedded.run(events(int(sys.argv[1])), START_MS)
    print(json.dumps({"rss_bytes": rss_bytes(os.getpid()), "stages": len(stages)}))


if __name__ == "__main__":
    main()
