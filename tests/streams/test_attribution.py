"""Facts that count by what their account says: its state at that moment, and its first touch."""

from collections import Counter
from typing import Any, NamedTuple

import orjson
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.plan.check import PlanInvalid, load_plan
from schemas.times import DAY_MS, HOUR_MS, iso, parse_iso
from streams.engine import Engine
from tests.laws import examples
from tests.records import result_of
from tests.test_properties import fuzzed

FIRST_MS = parse_iso("2026-03-02")
MARCH_MS = parse_iso("2026-03-01")
END_MS = parse_iso("2026-04-01")
NOW_MS = END_MS + DAY_MS
PLANS = ("starter", "team", None)
CAMPAIGNS = ("spring", "autumn", None)


def plan(kinds: list[str], **kpis: Any) -> str:
    named = [{"event": kind, "is": kind, "value": "value"} for kind in ("payment", "cost", "spend")]
    data = {
        "product": "Attribution",
        "activity": "Opened",
        "events": [
            *({**each, "attributes": {"type": "marketing"}} for each in named[:2]),
            named[2] | {"attributes": {"type": "marketing", "campaign": {"property": "campaign"}}},
            {
                "event": "plan_change",
                "is": "plan_change",
                "attributes": {"plan": {"property": "plan"}},
            },
            {
                "event": "lead",
                "is": "lead",
                "name": {"property": "id"},
                "attributes": {"status": "created", "campaign": {"property": "campaign"}},
            },
        ],
        "segments": {
            "plan": {"fact": "plan_change", "attribute": "plan", "kinds": kinds},
            "campaign": {"property": "campaign", "kinds": ["lead", "spend"]},
        },
        "exclude": {"users": [{"trait": "internal", "equals": True}]},
        "kpis": kpis,
        "horizon": "all",
    }  # fmt: skip
    return yaml.safe_dump(data, sort_keys=False)


class Told(NamedTuple):
    kind: str
    account: str | None
    user: str | None
    at_ms: int
    value: int
    word: str | None
    """A plan, or a campaign."""
    id: str


def record(told: Told) -> bytes:
    properties: dict[str, Any] = {"value": told.value, "id": told.id}
    if told.word is not None:
        properties |= {"plan": told.word, "campaign": told.word}
    event: dict[str, Any] = {
        "messageId": told.id,
        "type": "track",
        "event": told.kind,
        "timestamp": iso(told.at_ms),
        "properties": properties,
        "context": {} if told.account is None else {"groupId": told.account},
    }
    return orjson.dumps(event | ({} if told.user is None else {"userId": told.user}))


def internal(user: str) -> bytes:
    event = {"messageId": f"t-{user}", "type": "identify", "timestamp": iso(FIRST_MS)}
    return orjson.dumps(event | {"userId": user, "traits": {"internal": True}})


@st.composite
def happened(draw: st.DrawFn) -> list[Told]:
    found = []
    for number in range(draw(st.integers(1, 25))):
        kind = draw(st.sampled_from(("payment", "payment", "plan_change", "lead", "spend", "cost")))
        account = draw(st.sampled_from(("a1", "a1", "a2", None)))
        user = draw(st.sampled_from(("u1", "u2", None)))
        if account is None and kind in ("payment", "plan_change"):
            user = "u1"
        found.append(
            Told(
                kind,
                account,
                user,
                # Few instants, so that a state changes at the very moment of a payment.
                FIRST_MS + draw(st.integers(0, 40)) * 12 * HOUR_MS,
                draw(st.sampled_from((5, 700, -30))),
                draw(st.sampled_from(PLANS if kind == "plan_change" else CAMPAIGNS)),
                f"m{number:02}",
            )
        )
    return found


def truth(told: list[Told], excluded: set[str]) -> Counter[tuple[str, str]]:
    """(KPI, segment) -> its value of March, fact by fact."""
    facts = sorted((t for t in told if t.user not in excluded), key=lambda t: (t.at_ms, t.id))
    first: dict[str, str | None] = {}
    for each in facts:
        if each.kind == "lead" and each.account is not None:
            first.setdefault(each.account, each.word)
    stands: dict[str | None, str] = {}
    found: Counter[tuple[str, str]] = Counter()
    for each in facts:
        if each.kind == "plan_change" and each.account is not None:
            stands[each.account] = each.word or "(none)"
        if each.kind in ("payment", "cost"):
            sign = 1 if each.kind == "payment" else -1
            of_plan = () if each.account is None else (stands.get(each.account, "(none)"),)
            for segment in ("all", *(f"plan={name}" for name in of_plan)):
                found["margin", segment] += sign * each.value
                if each.kind == "payment":
                    found["revenue", segment] += each.value
        campaign = first.get(each.account or "")
        if each.kind == "payment" and campaign is not None:
            found["earned_by_campaign", "all"] += each.value
            found["earned_by_campaign", f"campaign={campaign}"] += each.value
    return found


OWN = """
id: earned_by_campaign
name: Payments by campaign
group: own
operator: sum
subject: account
terms: [{of: {kind: payment}}]
credited_to: {first: {kind: lead, where: {status: created}}, naming: campaign}
unit: currency
periods: [month]
definition: Payments in P of accounts whose first created lead names a campaign.
example: a1 came by spring and pays 300 -> 300.
"""


def march(engine: Engine) -> dict[tuple[str, str], float | None]:
    """(KPI, segment) -> value of March."""
    return {
        (key.kpi, key.segment): record["value"]
        for key, record in result_of(engine.outputs).kpis.items()
        if key.period == "month" and key.start_ms == MARCH_MS
    }


@settings(fuzzed, max_examples=examples(25))
@given(st.data())
def test_facts_count_by_what_their_account_says_however_it_is_learnt(data: st.DataObject) -> None:
    told = data.draw(happened())
    excluded = data.draw(st.sets(st.sampled_from(("u1", "u2")), max_size=1))
    sent = [record(each) for each in told]
    sent += data.draw(st.lists(st.sampled_from(sent), max_size=3)) + list(map(internal, excluded))
    order = data.draw(st.permutations(sent))
    own = yaml.safe_load(OWN)
    engine = Engine(
        load_plan(plan(["payment", "cost"], only=["margin", "revenue"], own=[own])),
        partitions=data.draw(st.integers(1, 3)),
        warm=data.draw(st.sampled_from((0, 1000))),
    )
    now_ms, batch = NOW_MS, data.draw(st.integers(1, 9))
    for start in range(0, len(order), batch):
        engine.feed(order[start : start + batch], now_ms=NOW_MS)
        engine.settle(now_ms := now_ms + DAY_MS)
        engine.restart()
    engine.advance(END_MS)
    engine.settle(now_ms + DAY_MS)

    found = {key: value for key, value in march(engine).items() if value}
    assert found == {key: value for key, value in truth(told, excluded).items() if value}


def march_of(told: list[Told], text: str) -> dict[tuple[str, str], float | None]:
    engine = Engine(load_plan(text))
    engine.feed([record(each) for each in told], now_ms=NOW_MS)
    engine.advance(END_MS)
    engine.settle(NOW_MS + DAY_MS)
    return march(engine)


PAID = [
    Told("plan_change", "a1", None, FIRST_MS, 0, "team", "m1"),
    Told("payment", "a1", None, FIRST_MS + HOUR_MS, 300, None, "m2"),
    Told("cost", "a1", None, FIRST_MS + HOUR_MS, 100, None, "m3"),
]


def test_a_row_is_split_by_a_state_only_if_the_plan_names_all_kinds_it_adds_up() -> None:
    found = march_of(PAID, plan(["payment"], only=["revenue", "margin"]))

    assert found["revenue", "plan=team"] == 300
    assert found["margin", "all"] == 200
    assert ("margin", "plan=team") not in found


COSTS = """
id: costs
name: Costs
group: own
operator: formula
inputs: {revenue: {kpi: revenue}, margin: {kpi: margin}}
formula: {sub: [revenue, margin]}
unit: currency
periods: [month]
definition: What is left of revenue without the margin.
example: Revenue 300, margin 200 -> 100.
"""


def test_a_formula_is_stated_in_no_segment_in_which_only_some_of_it_is_known() -> None:
    own = {"only": ["revenue"], "own": [yaml.safe_load(COSTS)]}
    half = march_of(PAID, plan(["payment"], **own))
    whole = march_of(PAID, plan(["payment", "cost"], **own))

    assert half["costs", "all"] == whole["costs", "all"] == 100
    assert ("costs", "plan=team") not in half
    assert whole["costs", "plan=team"] == 100


def test_credit_is_for_accounts_fact_by_fact() -> None:
    own = yaml.safe_load(OWN) | {"subject": "any"}

    with pytest.raises(PlanInvalid, match="`credited_to` goes with `each: fact` and `subject: acc"):
        load_plan(plan(["payment"], own=[own]))
