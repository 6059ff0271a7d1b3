"""A worker dies at each step of a checkpoint, in real stages; and so does one without transactions.

The same deaths leave no trace where a checkpoint is a transaction, and wrong numbers where it is
not: so the test is able to see what it is there for.
"""

import signal
from pathlib import Path
from random import Random

import pytest

from schemas.outputs import DEAD_LETTERS
from tests.crash.company import Company
from tests.crash.installation import INPUT_PARTITIONS, Installation, installed
from tests.crash.load import Load
from tests.crash.verdict import complaints_about, undisturbed
from tests.crash.worker import DELTAS_OF_OTHERS, STEPS

EVENTS_PER_S = 150
HELD_AT = dict.fromkeys(("produce", "send offsets"), DELTAS_OF_OTHERS)
"""Between these a checkpoint is torn where it is no transaction."""
pytestmark = pytest.mark.timeout(300)


def complaints_after(
    deaths: list[tuple[str, str]], installation: Installation, folder: Path
) -> list[str]:
    """What is wrong after deaths of a worker: (step, what the checkpoint holds).

    It shares the partitions with another one: alone it would hand over all that stages tell each
    other, and read no topic between them.
    """
    company = Company(Random("events"), events_per_day=1000)
    load = Load(installation.bootstrap, installation.input, INPUT_PARTITIONS, Random("partitions"))
    load.start(company.arrivals(), EVENTS_PER_S)
    installation.run_until_every_stage_has_offsets("a")
    installation.start("b")
    for step, holding in deaths:
        worker = installation.start("a", die=step, holding=holding)
        assert worker.wait() == -signal.SIGKILL, worker
        del installation.running["a"]
    load.stop()
    until = company.end_of(len(load.sent))
    complaints = installation.finish(until)
    wanted = undisturbed(load.sent, installation.plan, until, folder)
    return complaints + complaints_about(installation.outputs(), wanted)


def test_a_death_at_any_step_of_a_checkpoint_leaves_no_trace(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    deaths = [(step, HELD_AT.get(step, DEAD_LETTERS)) for step in STEPS]
    with installed(kafka, prefix, tmp_path) as installation:
        assert complaints_after(deaths, installation, tmp_path) == []


def test_without_transactions_the_same_deaths_are_seen(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    deaths = [("produce", DELTAS_OF_OTHERS), ("produce", DEAD_LETTERS)]
    with installed(kafka, prefix, tmp_path, transactions=False) as installation:
        complaints = complaints_after(deaths, installation, tmp_path)
    wrong_values = [each for each in complaints if each.startswith("undisturbed there is Key(")]
    repeated_letters = [each for each in complaints if each.startswith("dead letter")]
    assert wrong_values
    assert repeated_letters
