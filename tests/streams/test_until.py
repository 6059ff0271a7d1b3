"""Where time stands in the end (`--until`), nothing waits for a later flush that may never come."""

import orjson

from schemas.plan.check import load_plan
from schemas.times import parse_iso
from streams.engine import Engine

PLAN = """
product: Until
inputs: [{topic: events, format: segment}]
kpis: {only: [mau], levels: {account: [mau]}}
"""
NOW_MS = parse_iso("2026-04-01")
USES = [
    {"type": "track", "event": "Opened", "userId": "u2", "timestamp": "2026-03-06T12:00:00Z"},
    {"type": "track", "event": "Opened", "userId": "u3", "timestamp": "2026-03-30T12:00:00Z"},
]
MERGE = {"type": "alias", "userId": "u3", "previousId": "u2", "timestamp": "2026-03-30T12:00:01Z"}


def test_a_value_per_account_that_changes_within_its_minute_is_right_at_once():
    engine = Engine(load_plan(PLAN))
    calls = [*({**use, "context": {"groupId": "a1"}} for use in USES), MERGE]
    engine.feed([orjson.dumps({"messageId": f"m{n}", **call}) for n, call in enumerate(calls)])

    engine.advance(parse_iso("2026-03-31T10:00:00Z"))
    engine.settle(NOW_MS)

    march = [
        record["value"]
        for record in map(orjson.loads, engine.outputs["kpis"])
        if (record["subject"], record["period"]) == ("a1", "month")
    ]
    assert march[-1] == 1
