"""The simulated company as several streams: the same facts, each where its system writes."""

from collections import Counter
from pathlib import Path

import orjson
import pytest

from agents.company import SYSTEMS, arrivals, sample_lines
from agents.company.streams import FIELDS, UnknownSystemError, of_system, split
from schemas.plan import Plan, load_plan
from tests.replays import headwater, read_replay, replay, write_lines

PLANS = Path(__file__).resolve().parents[3] / "plans"
DAYS, ACCOUNTS = 35, 40


@pytest.fixture(scope="module")
def plan() -> Plan:
    return load_plan(PLANS / "demo-systems.yaml")


def test_one_stream_has_what_all_streams_have_together(plan: Plan) -> None:
    log = arrivals(accounts=ACCOUNTS, days=DAYS)
    assert [each.line for each in log] == list(sample_lines(accounts=ACCOUNTS, days=DAYS))
    sent = list(split(log, plan, SYSTEMS))
    assert len(sent) == len(log)
    for arrival, each in zip(log, sent, strict=True):
        name = each.input.name
        assert name == (arrival.system if arrival.system in plan_inputs(plan) else "product-events")
        assert each.line == (arrival.line if name == "product-events" else of_system(arrival.line))
    counts = Counter(each.input.name for each in sent)
    assert set(counts) == plan_inputs(plan)
    assert min(counts.values()) > 10


def plan_inputs(plan: Plan) -> set[str]:
    return {input.name for input in plan.inputs}


def test_its_plan_is_that_of_the_demo_but_for_where_facts_come_from(plan: Plan) -> None:
    demo = load_plan(PLANS / "demo.yaml")
    differing = {"inputs", "rules"}
    assert plan.model_dump(exclude=differing) == demo.model_dump(exclude=differing)


def test_the_numbers_are_those_of_the_one_stream(tmp_path: Path) -> None:
    company = ["--days", str(DAYS), "--accounts", str(ACCOUNTS)]
    streams, out = tmp_path / "streams", tmp_path / "numbers"
    headwater("simulate", "--plan", PLANS / "demo-systems.yaml", "--out", streams, *company)
    files = sorted(streams.iterdir())
    inputs = [f"{file.stem}={file}" for file in files]
    assert len(inputs) == 6
    headwater("replay", *inputs, "--plan", PLANS / "demo-systems.yaml", "--out", out)
    apart = read_replay(out)

    events = write_lines(tmp_path / "events.jsonl", sample_lines(accounts=ACCOUNTS, days=DAYS))
    together = replay(events, PLANS / "demo.yaml", tmp_path)
    assert apart.dead_letters == together.dead_letters == []
    values = {key: (r["value"], r["parts"]) for key, r in together.kpis.items()}
    assert {key: (r["value"], r["parts"]) for key, r in apart.kpis.items()} == values
    groups = ("mrr", "tickets_created", "customers_total", "reach", "response_time", "csat")
    assert all(
        any(key.kpi == kpi and r["value"] for key, r in apart.kpis.items()) for kpi in groups
    )


@pytest.mark.parametrize(
    ("input", "why"),
    [
        ("{name: erp, topic: erp, format: mapping", "no such system: name it as one of billing"),
        ("{name: sales, topic: crm, format: csv, columns: [account, at]", "`format: mapping`"),
    ],
)
def test_an_input_that_nobody_writes_to_is_refused(input: str, why: str) -> None:
    meaning = "fields: {account: account, time: at}, events: [{event: x, is: payment}]}"
    plan = load_plan(f"product: x\ninputs: [{{topic: product-events}}, {input}, {meaning}]")
    with pytest.raises(UnknownSystemError, match=why):
        list(split([], plan, SYSTEMS))


def test_a_record_of_a_system_has_the_fields_that_plans_name(plan: Plan) -> None:
    call = {"messageId": "m1", "type": "track", "event": "Plan Changed", "userId": None}
    more = {"groupId": "a1", "timestamp": "2025-09-01T10:00:00.000Z", "properties": {"mrr": 5}}
    record = orjson.loads(of_system(orjson.dumps(call | more)))
    assert record == {
        "id": "m1",
        "event": "Plan Changed",
        "at": "2025-09-01T10:00:00.000Z",
        "account": "a1",
        "data": {"mrr": 5},
    }
    for input in plan.inputs[1:]:
        assert input.fields is not None
        named = input.fields.model_dump(exclude_none=True)
        assert {name: FIELDS[name] for name in named} == named
