"""Whatever happens to workers and broker, the numbers are those of an undisturbed run."""

from pathlib import Path

import pytest

from tests.crash.chaos import SHORT
from tests.crash.run import Size, crash_test
from tests.kafka_broker import own_broker

SEED = 11


@pytest.mark.timeout(600)
def test_every_value_and_signal_is_that_of_an_undisturbed_run_and_written_once(
    tmp_path: Path,
) -> None:
    size = Size(events_per_s=150, events_per_day=1000)
    with own_broker(tmp_path / "broker") as broker:
        outcome = crash_test(SEED, size, SHORT, broker, tmp_path)
    assert outcome.complaints == []
    assert outcome.events > 1000
