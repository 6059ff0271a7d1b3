"""Currencies in a plan: every mistake at once, and what says nothing new changes nothing."""

import pytest

from schemas.plan.check import PlanInvalid, load_plan
from schemas.plan.fingerprint import plan_hash

EVENTS = """
events:
- {event: Paid, is: payment, value: {property: total, currency: CHF}}
- {event: Paid, is: payment, value: {property: total, scale: 100, major: true}}
- {event: Rated, is: survey, value: {property: stars, currency: GBP}}
- {event: Paid, is: payment, attributes: {type: {property: x, currency: GBP}}}
- {event: Paid, is: payment, value: {property: total, currency: {property: x, default: GPB}}}
"""
CURRENCY = """
product: Money
currency: {reporting: euro, rates: {USD: much, JPY: -1, GBP: 0.8, KWD: true, dkk: 7}}
inputs:
- {topic: a, currency: GBP}
- {topic: b, currency: CHF, events: [{event: a, is: payment, value: x}]}
"""


def mistakes(text: str) -> list[str]:
    with pytest.raises(PlanInvalid) as raised:
        load_plan(text)
    return [str(problem) for problem in raised.value.problems]


def test_every_mistake_about_currencies_is_told_at_once():
    found = mistakes(CURRENCY + EVENTS)

    says = 'write how many units of the reporting currency one unit is worth, such as `"0.92"`'
    iso = "(three capital letters of ISO 4217, such as EUR)"
    assert sorted(found) == sorted(
        [
            f"`euro` is no currency {iso} at currency.reporting",
            f"`much` is no rate at currency.rates.USD; {says}",
            f"`-1` is no rate at currency.rates.JPY; {says}",
            f"`true` is no rate at currency.rates.KWD; {says}",
            f"`dkk` is no currency {iso} at currency.rates.dkk",
            "`currency` goes with `events` of the input at inputs.0.currency; without them write "
            "it beside `value`, in the plan's `events`",
            'the plan has no rate of `CHF` at inputs.1.currency; add `CHF: "<rate>"` to '
            "`currency.rates`",
            'the plan has no rate of `CHF` at events.0.value.currency; add `CHF: "<rate>"` to '
            "`currency.rates`",
            "`major` and `scale` exclude each other at events.1.value.major; leave `scale` out: "
            "each currency has its own minor unit",
            "the value of a survey is no money at events.2; leave `currency` and `major` out",
            "the attribute `type` is no money at events.3; write just its `property`",
            "the plan has no rate of `GPB` at events.4.value.currency.default; did you mean `GBP`?",
        ]
    )


@pytest.mark.parametrize(
    "value",
    [
        "currency: EUR",
        "currency: {property: x}",
        "major: true",
        "currency: {property: x, default: USD}",
    ],
)
def test_amounts_in_currencies_need_those_of_the_plan(value: str):
    event = f"{{event: Paid, is: payment, value: {{property: total, {value}}}}}"

    (found, *_) = mistakes(f"product: Money\nevents: [{event}]\n")

    assert "in a plan without currencies at events.0.value" in found
    assert "add the key `currency`, such as" in found


def test_the_reporting_currency_needs_no_rate():
    (found,) = mistakes("product: Money\ncurrency: {reporting: EUR, rates: {EUR: 1}}\n")

    assert found == "EUR is the reporting currency at currency.rates; leave its rate out"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("{property: total, currency: EUR}", "total"),
        ("{property: total, currency: EUR, scale: 100}", "{property: total, scale: 100}"),
        ("{property: total, major: true}", "{property: total, major: true, currency: EUR}"),
    ],
)
def test_saying_the_reporting_currency_says_nothing_new(one: str, other: str):
    head = 'product: Money\ncurrency: {reporting: EUR, rates: {USD: "0.920"}}\nevents:\n'

    hashes = {
        plan_hash(load_plan(f"{head}- {{event: Paid, is: payment, value: {value}}}\n"))
        for value in (one, other)
    }

    assert len(hashes) == 1


def test_a_rate_is_a_number_however_it_is_written():
    plans = [
        load_plan(f"product: Money\ncurrency: {{reporting: EUR, rates: {{USD: {rate}}}}}\n")
        for rate in ("0.92", '"0.92"', '"0.920"', "9.2e-1")
    ]

    assert len({plan_hash(each) for each in plans}) == 1
