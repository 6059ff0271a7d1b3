"""What the partitions of a stage share."""

import orjson
import pytest
import yaml

from schemas.plan.check import load_plan
from schemas.times import iso, parse_iso
from streams import topology
from streams.accounts.stage import Accounts
from streams.engine import Engine

PLAN = {"product": "Shares", "sessions": "Session Started", "kpis": {"only": ["sessions"]}}
NOON_MS = parse_iso("2026-03-01T12:00:00Z")


@pytest.mark.parametrize("partitions", [1, 8])
def test_more_partitions_remember_no_more_ids(monkeypatch: pytest.MonkeyPatch, partitions: int):
    monkeypatch.setattr(topology, "IDS_MAX", 800)
    engine = Engine(load_plan(yaml.safe_dump(PLAN)), partitions=partitions)
    for hour in range(24):
        engine.feed([session(hour, number) for number in range(100)])
        engine.settle()

    assert 400 < ids_remembered(engine) <= 800


def session(hour: int, number: int) -> bytes:
    """A session of each of a hundred accounts, in every hour."""
    event = {
        "messageId": f"{hour}-{number}",
        "type": "track",
        "event": "Session Started",
        "timestamp": iso(NOON_MS + hour * 3_600_000),
        "context": {"groupId": f"a{number}"},
    }
    return orjson.dumps(event)


def ids_remembered(engine: Engine) -> int:
    accounts = (stage for stage in engine.stages.values() if isinstance(stage, Accounts))
    return sum(each.ids_remembered for each in accounts)
