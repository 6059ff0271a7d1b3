"""Fixtures that every test may use."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator

import pytest

from tests.kafka_broker import bootstrap_servers


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap servers of a real broker, started at the first test that asks for it."""
    with bootstrap_servers(tmp_path_factory.mktemp("kafka")) as servers:
        yield servers


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    """A topic prefix no other test uses, so that tests can share one broker."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:60].strip("-")
    return f"{name}-{uuid.uuid4().hex[:8]}"
