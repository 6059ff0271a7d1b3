"""Accounts that nobody used lately are packed, and go on as if they had not been."""

from typing import Any

import orjson
import yaml

from schemas.plan.check import load_plan
from schemas.times import DAY_MS, HOUR_MS, iso, parse_iso
from streams.engine import Engine
from tests.catalogue.running import PLAN
from tests.records import result_of
from tests.test_catalogue_properties import plan

FIRST_DAY_MS = parse_iso("2026-01-05T00:00:00Z")


def event(number: int, kind: str, account: str | None, user: str | None, **more: Any) -> bytes:
    call = {"type": "track", "event": kind, "messageId": f"m{number}"}
    call["timestamp"] = iso(FIRST_DAY_MS + number * HOUR_MS)
    of = {} if account is None else {"context": {"groupId": account}}
    whose = {} if user is None else {"userId": user}
    return orjson.dumps(call | of | whose | {"properties": more})


def told(engine: Engine, *events: bytes) -> None:
    """Each with checkpoints behind it, after which whoever is not warm is cold."""
    for each in events:
        engine.feed([each])
        for _ in range(3):
            engine.settle()


def test_what_is_about_nobody_goes_on_after_it_was_packed():
    # Such a plan keeps what facts of nobody add up to, and so there is something to pack.
    erasing = plan(erasure={"accounts": "Forget Account"})
    engine = Engine(erasing, partitions=1, warm=0, key=b"a key of a test, of so many bytes")
    spent = [event(n, "spend", None, None, value=100, type="marketing") for n in range(2)]
    leads = [event(n, "lead", f"a{n}", None, name=f"l{n}", status="created") for n in range(2, 5)]
    told(engine, spent[0], *leads, spent[1])
    engine.advance(FIRST_DAY_MS + 2 * DAY_MS)
    engine.settle()
    found = result_of(engine.outputs).kpis.items()
    (leads_per_spend,) = {
        of["value"] for key, of in found if key.kpi == "leads_per_spend" and key.level == "company"
    }
    assert leads_per_spend == 3 / 200


def test_accounts_that_hold_nothing_yet_do_not_share_their_users_later():
    kpis = {"only": ["account_user_milestones"]}
    only = PLAN | {"milestones": {"distinct_users": [2]}, "kpis": kpis}
    engine = Engine(load_plan(yaml.safe_dump(only)), partitions=1, warm=0)
    answers = [event(n, "survey", f"a{n}", f"u{n}", value=9) for n in range(2)]
    told(engine, *answers)
    told(engine, *[event(10 + n, "activity", f"a{n}", f"u{n}") for n in range(2)])
    engine.advance(FIRST_DAY_MS + 2 * DAY_MS)
    engine.settle()
    assert result_of(engine.outputs).signals == {}
