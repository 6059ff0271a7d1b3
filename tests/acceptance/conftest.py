"""Prints, after the run, how many published numbers each real log reproduced."""

import pytest

from tests.acceptance.shared_data import TALLIES


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not TALLIES:
        return
    terminalreporter.section("real logs: values equal to the published ones, of all published")
    runs = list(dict.fromkeys(run for _, run in TALLIES))
    measures = list(dict.fromkeys(measure for measure, _ in TALLIES))
    width = max(map(len, measures))
    for measure in measures:
        cells = [f"{run} {TALLIES.get((measure, run), '-'):>11}" for run in runs]
        terminalreporter.write_line("   ".join([f"{measure:<{width}}", *cells]))
