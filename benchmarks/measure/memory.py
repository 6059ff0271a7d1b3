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
from benchmarks.measure.sizes import sizes
from benchmarks.measure.workload import Planned
from schemas.times import DAY_MS

START_MS = 20_000 * DAY_MS
PASSES = ("Page Viewed", ACTIVATION)
PASS_MS = DAY_MS
"""Each pass sees every membership once: two days in all, so that their values weigh nothing."""
USERS_PER_ACCOUNT = 10
SMALLEST_PART = 4
"""Bytes a membership; what is less is told together."""


class Size(NamedTuple):
    base: int
    memberships: tuple[int, ...]


FULL = Size(1_000, (10_000, 100_000, 1_000_000))
QUICK = Size(1_000, (5_000, 10_000))


def measure(asked: Asked) -> dict[str, Any]:
    size = QUICK if asked.quick else FULL
    base = embedded.alone("benchmarks.measure.memory", size.base)
    found: dict[str, Any] = {"base_rss_bytes": base["rss_bytes"]}
    for memberships in size.memberships:
        weighed = embedded.alone("benchmarks.measure.memory", memberships)
        found[f"rss_bytes_{memberships}"] = weighed["rss_bytes"]
        more = memberships - size.base
        each = round((weighed["rss_bytes"] - base["rss_bytes"]) / more)
        found[f"bytes_per_membership_{memberships}"] = found["bytes_per_membership"] = each
        found["parts"] = parts(weighed["sizes"], base["sizes"], more, each)
    return found


def parts(
    sizes: dict[str, int], base: dict[str, int], memberships: int, in_all: int
) -> dict[str, int]:
    """Bytes a membership of each part, the largest first; what is left of all of them is memory
    that Python and the allocator hold without using it.
    """
    found = {place: round((n - base.get(place, 0)) / memberships) for place, n in sizes.items()}
    ranked = sorted(found.items(), key=lambda each: -each[1])
    told = {place: n for place, n in ranked if n >= SMALLEST_PART}
    told["smaller parts"] = sum(found.values()) - sum(told.values())
    told["not in use"] = in_all - sum(found.values())
    return told


def events(memberships: int) -> Iterator[tuple[Planned, int]]:
    """In order of time."""
    for number, name in enumerate(PASSES):
        for member in range(memberships):
            event = Planned(f"acct-{member // USERS_PER_ACCOUNT}", f"user-{member}", name)
            yield event, START_MS + number * PASS_MS + member * PASS_MS // memberships


def main() -> None:
    stages = embedded.run(events(int(sys.argv[1])), START_MS)
    rss = rss_bytes(os.getpid())  # before what looks around needs memory itself
    print(json.dumps({"rss_bytes": rss, "sizes": sizes(stages)}))


if __name__ == "__main__":
    main()
