"""Fixtures that every test may use."""

from __future__ import annotations

import gc
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.acceptance.shared_data import TALLIES
from tests.kafka_broker import bootstrap_servers
from tests.processes import ByFile
from tests.sample_replay import SampleReplay, replay_of_sample

gc.set_threshold(50_000, 20, 50)  # as where Headwater runs: looking for cycles is a fifth of a test

REPORTED: dict[tuple[str, str], str] = {}
"""The tallies of all tests, as shared_data.TALLIES has them of one."""


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap servers of a real broker, started at the first test that asks for it."""
    with bootstrap_servers(tmp_path_factory.mktemp("kafka")) as servers:
        yield servers


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> SampleReplay:
    """The simulated company, replayed at the first test that asks for it. Nobody may change it."""
    return replay_of_sample(tmp_path_factory.mktemp("sample"))


@pytest.fixture(autouse=True)
def the_collector_goes_on() -> Iterator[None]:
    """After a replay in this process, which stops it, as the process of a command ends."""
    yield
    gc.enable()


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    """A topic prefix no other test uses, so that tests can share one broker."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:60].strip("-")
    return f"{name}-{uuid.uuid4().hex[:8]}"


def pytest_collection_finish() -> None:
    """What was imported stays, so nobody need look for garbage in it."""
    gc.freeze()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    return ByFile(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Tallies travel with the report of their test, from the process that ran it."""
    if call.when == "call":
        item.user_properties.append(("tallies", dict(TALLIES)))
        TALLIES.clear()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call":
        for name, told in report.user_properties:
            if name == "tallies":
                REPORTED.update(told)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints, after the run, how many published numbers each real log reproduced."""
    if not REPORTED:
        return
    terminalreporter.section("real logs: values equal to the published ones, of all published")
    runs = list(dict.fromkeys(run for _, run in REPORTED))
    measures = list(dict.fromkeys(measure for measure, _ in REPORTED))
    width = max(map(len, measures))
    for measure in measures:
        cells = [f"{run} {REPORTED.get((measure, run), '-'):>11}" for run in runs]
        terminalreporter.write_line("   ".join([f"{measure:<{width}}", *cells]))
