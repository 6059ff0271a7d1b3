"""The broker that tests of Kafka use: the one they are told of, or one of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.kafka.local_broker import LocalBroker, free_ports, missing_programs

QUICK_TO_START = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""A broker that runs for a minute or two does not win back what thorough compilation costs."""


@contextmanager
def bootstrap_servers(data_dir: Path) -> Iterator[str]:
    """Addresses of a broker with automatic topic creation off.

    KAFKA_BOOTSTRAP_SERVERS names one that runs already (tests use topic names of their own, so it
    may hold other things). Otherwise one is started on `data_dir` and stopped at the end.
    """
    if given := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield given
        return
    with own_broker(data_dir) as broker:
        yield broker.bootstrap_servers


@contextmanager
def own_broker(data_dir: Path) -> Iterator[LocalBroker]:
    """A broker of the caller's own, to be stopped and killed at will."""
    if missing := missing_programs():
        _refuse(
            f"a local Kafka broker needs {' and '.join(missing)}, not found here: install a JDK "
            "(17 or later) and Maven, or set KAFKA_BOOTSTRAP_SERVERS"
        )
    port, controller_port = free_ports(2)
    with LocalBroker(
        data_dir, port=port, controller_port=controller_port, java_options=QUICK_TO_START
    ) as broker:
        yield broker


def _refuse(reason: str) -> None:
    """Skip on a developer's machine; in CI a test that silently does not run is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
