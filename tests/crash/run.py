"""A crash test from a seed: load, chaos, the end, and the complaints about what came of it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

from deploy.kafka.local_broker import LocalBroker
from tests.crash.chaos import Chaos
from tests.crash.company import Company
from tests.crash.installation import INPUT_PARTITIONS, installed
from tests.crash.load import Load
from tests.crash.verdict import complaints_about, undisturbed


class Outcome(NamedTuple):
    complaints: list[str]
    events: int
    """Lines that were sent."""


class Size(NamedTuple):
    """How much happens."""

    events_per_s: int
    events_per_day: int
    """Of event time."""
    seconds: float = 0.0


def crash_test(
    seed: int,
    size: Size,
    troubles: Sequence[Callable[[Chaos], None]],
    broker: LocalBroker,
    folder: Path,
    *,
    transactions: bool = True,
) -> Outcome:
    """Everything that is drawn follows from the seed. What is written goes below `folder`."""
    company = Company(Random(f"{seed} company"), size.events_per_day)
    twist = {} if transactions else {"transactions": False}
    prefix = f"crash-{seed}"
    with installed(broker.bootstrap_servers, prefix, folder, **twist) as installation:
        load = Load(
            broker.bootstrap_servers, installation.input, INPUT_PARTITIONS, Random(f"{seed} load")
        )
        chaos = Chaos(installation, broker, Random(f"{seed} chaos"))
        load.start(company.arrivals(), size.events_per_s)
        chaos.rounds(troubles, size.seconds)
        load.stop()
        complaints = [f"two workers go on as {slot}" for slot in chaos.zombies_that_live()]
        until = company.end_of(len(load.sent))
        complaints += installation.finish(until)
        outputs = installation.outputs()
    wanted = undisturbed(load.sent, installation.plan, until, folder / "undisturbed")
    complaints += complaints_about(outputs, wanted)
    return Outcome(complaints, len(load.sent))
