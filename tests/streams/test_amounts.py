"""Amounts in several currencies: each converted by itself, once, half to even."""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import msgspec
import orjson
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import Event
from schemas.plan.check import load_plan
from schemas.times import DAY_MS, HOUR_MS, iso, parse_iso
from streams.engine import Engine
from streams.history import definitions
from streams.ingest.interpreter import Interpreter
from streams.plan_change import change_of
from tests.laws import examples
from tests.records import Result, result_of
from tests.test_properties import fuzzed

FIRST_MS = parse_iso("2026-03-02T00:00:00Z")
END_MS = parse_iso("2026-04-01T00:00:00Z")
NOW_MS = END_MS + DAY_MS
RATES = {"USD": "0.92", "JPY": "0.0061", "KWD": "3.005"}
DIGITS = {"EUR": 2, "USD": 2, "JPY": 0, "KWD": 3}
PLAN: dict[str, Any] = {
    "product": "Money",
    "activity": "Opened",
    "currency": {"reporting": "EUR", "rates": RATES},
    "horizon": "all",
    "kpis": {"only": ["revenue"], "levels": {"account": ["revenue"]}},
}
NAMED = {"property": "currency"}


def plan(value: Any, **changes: Any) -> str:
    events = [{"event": "Paid", "is": "payment", "value": value}]
    return yaml.safe_dump(PLAN | {"events": events} | changes, sort_keys=False)


def value_of(written: Any, **properties: Any) -> int | None:
    """What a payment with these properties is worth."""
    raw = msgspec.Raw(orjson.dumps(properties))
    event = Event("track", "Paid", FIRST_MS, "u", None, None, "a", "m", raw, msgspec.Raw(b"{}"))
    values = Interpreter(load_plan(plan(written))).code(event)[1]
    return values[0] if values else None


@pytest.mark.parametrize(
    ("written", "properties", "minor"),
    [
        ({"currency": "USD"}, {"total": 1000}, 920),
        ({"currency": "USD"}, {"total": 25}, 23),
        # 69.0 + 0.46, 11.5, 34.5 and 0.61 cents
        ({"currency": "USD"}, {"total": 75.5}, 69),
        ({"currency": "USD"}, {"total": 12.5}, 12),
        ({"currency": "USD"}, {"total": -37.5}, -34),
        ({"currency": "JPY"}, {"total": 1}, 1),
        ({"currency": "USD", "scale": 100}, {"total": 12.34}, 1135),
        ({"currency": NAMED}, {"total": 1000, "currency": "JPY"}, 610),
        ({"currency": NAMED}, {"total": 1000, "currency": " usd "}, 920),
        ({"currency": NAMED}, {"total": 1000, "currency": "EUR"}, 1000),
        ({"currency": NAMED | {"default": "USD"}}, {"total": 1000}, 920),
        ({"currency": NAMED | {"default": "USD"}}, {"total": 1000, "currency": None}, 920),
        ({"currency": NAMED, "major": True}, {"total": 12.345, "currency": "KWD"}, 3710),
        ({"currency": NAMED, "major": True}, {"total": 1200, "currency": "JPY"}, 732),
        ({"major": True}, {"total": 12.34}, 1234),
        # As written, 57.5 cents; the nearest binary number is less.
        ({"major": True}, {"total": 0.575}, 58),
        ({"currency": "EUR"}, {"total": 1234}, 1234),
        ({"currency": NAMED}, {"currency": "XXX"}, None),
        ({"currency": NAMED}, {"total": "12", "currency": "USD"}, None),
        ({"currency": NAMED}, {"total": 1e300, "currency": "USD"}, None),
        ({"currency": NAMED}, {"total": True, "currency": "USD"}, None),
    ],
)
def test_an_amount_is_converted_once_and_rounded_half_to_even(
    written: dict[str, Any], properties: dict[str, Any], minor: int | None
) -> None:
    assert value_of({"property": "total"} | written, **properties) == minor


def test_money_among_the_attributes_is_converted_too() -> None:
    entry = {
        "event": "Paid",
        "is": "project",
        "name": {"property": "id"},
        "attributes": {
            "status": "started",
            "budget": {"property": "budget", "currency": NAMED, "major": True},
            "cost": {"property": "cost"},
        },
    }
    text = yaml.safe_dump(PLAN | {"events": [entry]})
    raw = msgspec.Raw(orjson.dumps({"id": "p", "budget": 100, "cost": 7, "currency": "USD"}))
    event = Event("track", "Paid", FIRST_MS, "u", None, None, "a", "m", raw, msgspec.Raw(b"{}"))

    ((_, _, attributes),) = Interpreter(load_plan(text)).code(event)[0].meaning

    assert dict(attributes) == {"budget": 9200, "cost": 7, "status": "started"}


def call(number: int, at_ms: int, **properties: Any) -> bytes:
    return orjson.dumps(
        {
            "messageId": f"m{number}",
            "type": "track",
            "event": "Paid",
            "timestamp": iso(at_ms),
            "properties": properties,
            "context": {"groupId": f"a{number % 2}"},
        }
    )


def end_of(engine: Engine) -> Result:
    engine.advance(END_MS)
    engine.settle(NOW_MS + DAY_MS)
    return result_of(engine.outputs)


def month(result: Result, level: str = "company") -> list[float]:
    return [
        record["value"]
        for key, record in result.kpis.items()
        if (key.level, key.period, key.start_ms) == (level, "month", parse_iso("2026-03-01"))
    ]


@pytest.mark.parametrize(
    ("properties", "code", "says"),
    [
        ({"total": 5}, "missing_currency", "no currency at currency for the amount at total"),
        ({"total": 5, "currency": ""}, "missing_currency", "give the plan a `default`"),
        ({"total": 5, "currency": "XXX"}, "unknown_currency", "'XXX', for which the plan has no"),
        ({"total": 5, "currency": 978}, "unknown_currency", "add it to currency.rates"),
        ({"total": 5, "currency": {}}, "unknown_currency", "an object or an array"),
    ],
)
def test_an_event_in_no_currency_that_is_known_is_a_dead_letter_and_counts_in_nothing(
    properties: dict[str, Any], code: str, says: str
) -> None:
    of_event = [
        {"event": "Paid", "is": ["activity"]},
        {"event": "Paid", "is": "payment", "value": {"property": "total", "currency": NAMED}},
    ]
    kpis = {"kpis": {"only": ["revenue", "active_accounts"]}}
    engine = Engine(load_plan(plan(None, events=of_event, **kpis)))
    engine.feed([call(1, FIRST_MS, **properties)], now_ms=NOW_MS)

    result = end_of(engine)

    (letter,) = result.dead_letters
    assert letter["code"] == code
    assert says in letter["reason"]
    assert {record["value"] for record in result.kpis.values()} <= {0, None}


@st.composite
def payments(draw: st.DrawFn) -> list[tuple[int, str, int]]:
    """(amount, currency, hours)"""
    amounts = st.integers(-2000, 10**7)
    each = st.tuples(amounts, st.sampled_from(sorted(DIGITS)), st.integers(0, 24 * 20))
    return draw(st.lists(each, min_size=1, max_size=12))


def converted(amount: int, currency: str) -> int:
    """Minor units of the reporting currency, by decimal arithmetic."""
    rate = Decimal(RATES.get(currency, "1"))
    exact = Decimal(amount).scaleb(DIGITS["EUR"] - DIGITS[currency]) * rate
    return int(exact.quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


@settings(fuzzed, max_examples=examples(15))
@given(st.data())
def test_sums_are_of_amounts_converted_one_by_one_however_they_come(data: st.DataObject) -> None:
    told = data.draw(payments())
    sent = [
        call(number, FIRST_MS + hours * HOUR_MS, total=amount, currency=currency)
        for number, (amount, currency, hours) in enumerate(told)
    ]
    again = data.draw(st.lists(st.sampled_from(sent), max_size=3))
    order = data.draw(st.permutations([*sent, *again]))
    engine = Engine(
        load_plan(plan({"property": "total", "currency": NAMED})),
        partitions=data.draw(st.integers(1, 3)),
        input_partitions=2,
    )
    for number, each in enumerate(order):
        engine.feed([each], partition=number % 2, now_ms=NOW_MS)
        engine.settle(NOW_MS)
    result = end_of(engine)

    of_all = sum(converted(amount, currency) for amount, currency, _ in told)
    assert result.dead_letters == []
    assert sum(month(result)) == sum(month(result, "account")) == of_all


INPUTS = """
- {topic: web}
- name: billing
  topic: billing
  format: csv
  columns: [id, org, at, total, cur]
  fields: {account: org, time: at, message_id: id}
  currency: USD
  events:
  - {event: billing, is: payment, value: {property: total, major: true, currency: {property: cur}}}
- name: shop
  topic: shop
  format: mapping
  fields: {name: what, account: org, time: at, message_id: id}
  currency: JPY
  events: [{event: Ordered, is: payment, value: total}]
"""


def test_an_input_says_what_its_amounts_are_in_where_they_do_not() -> None:
    engine = Engine(load_plan(plan("total", inputs=yaml.safe_load(INPUTS))))
    at = iso(FIRST_MS)
    rows = [f"1,a0,{at},12.5,".encode(), f"2,a0,{at},12.5,EUR".encode()]
    order = orjson.dumps({"id": 1, "what": "Ordered", "org": "a1", "at": at, "total": 1000})
    engine.feed(rows, input="billing", now_ms=NOW_MS)
    engine.feed([order], input="shop", now_ms=NOW_MS)
    engine.feed([call(1, FIRST_MS, total=7)], input="web", now_ms=NOW_MS)

    assert month(end_of(engine)) == [1150 + 1250 + 610 + 7]


def changed(before: str, after: str) -> tuple[str, ...]:
    return change_of(definitions(load_plan(before)), load_plan(after)).refused


def test_a_rate_stays_under_a_prefix_and_another_one_may_come_beside_it() -> None:
    money = {"property": "total", "currency": NAMED}

    def at(rates: dict[str, Any], reporting: str = "EUR") -> str:
        return plan(money, currency={"reporting": reporting, "rates": rates})

    before, more = plan(money), at(RATES | {"GBP": "1.2"})
    other, fewer, pounds = at(RATES | {"USD": "0.9"}), at({"USD": "0.92"}), at(RATES, "GBP")

    assert changed(before, more) == ()
    added = change_of(definitions(load_plan(before)), load_plan(more))
    assert added.restarted == added.removed == ()
    (refusal,) = changed(before, other)
    assert refusal.startswith("the rate of USD was removed or changed: amounts so far were")
    assert len(changed(before, fewer)) == 2
    assert "the reporting currency changed" in changed(before, pounds)[0]
    assert (
        changed(before, plan(money, currency={"reporting": "EUR", "rates": RATES | {"USD": 0.92}}))
        == ()
    )


def test_an_amount_that_is_read_in_another_currency_begins_anew() -> None:
    change = change_of(
        definitions(load_plan(plan({"property": "total", "currency": "USD"}))),
        load_plan(plan({"property": "total", "currency": "JPY"})),
    )

    assert change.refused == ()
    assert "company/revenue" in change.restarted
