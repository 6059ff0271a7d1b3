"""Segments that the plan folds or combines are those that events would say themselves.

Every row of the catalogue runs twice: by a plan that lists values and combines dimensions, in any
order, split, batches and restarts; and, all at once, by a plan that does neither, of events that
say `other`, and both values in one. Nothing may differ but the names of segments.
"""

from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.plan.models import Plan
from schemas.row_forms.facts import CountRow, SumRow
from schemas.row_forms.people import MembershipRow
from schemas.rows import Row, of_facts
from schemas.segments import dimension_of
from schemas.times import iso
from streams.catalogue import catalogue_rows
from tests.laws import examples
from tests.test_catalogue_properties import (
    Outcome,
    Run,
    Told,
    events,
    fuzzed,
    moments,
    outcome_of,
    plan,
    runs,
    worked,
)

LISTED = {"region": ["eu", "us"], "channel": ["web"], "contract": ["team"], "role": ["dev"]}
TIERS = ["trial", "free", "paid", "ended"]
KINDS = ["payment", "cost", "outcome"]
WORDS = {
    "region": ("eu", "us", "asia", "africa", "other", None),
    "channel": ("web", "app", "mail", None),
    "plan": ("team", "solo", "lab", None),
    "role": ("dev", "ops", "sales", None),
}


@cache
def folded() -> Plan:
    def listed(name: str, **source: Any) -> dict[str, Any]:
        return source | {"values": LISTED[name]}

    return plan(
        segments={
            "region": listed("region", property="region"),
            "channel": listed("channel", property="channel"),
            "contract": listed("contract", fact="plan_change", attribute="plan", kinds=KINDS),
            "tier": {"fact": "plan_change", "attribute": "tier", "kinds": KINDS, "values": TIERS},
            "role": listed("role", trait="role"),
        },
        combinations=[["region", "channel"], ["tier", "contract"]],
    )


@cache
def told_by_events() -> Plan:
    """The same said by events; a contract is told with its tier, which follows no rows."""
    return plan(
        segments={
            "region": {"property": "region"},
            "channel": {"property": "channel"},
            "both": {"property": "both"},
            "tier": {"fact": "plan_change", "attribute": "tier", "kinds": KINDS},
            "contract": {"fact": "plan_change", "attribute": "plan", "kinds": KINDS},
            "role": {"trait": "role"},
        }
    )


RENAMED = {"both": "region&channel", "contract": "tier&contract"}


def shown(name: str, value: str | None) -> str | None:
    return value if value is None or value in LISTED[name] else "other"


def saying_so(event: dict[str, Any]) -> dict[str, Any]:
    """The event as it would have to be where the plan lists nothing."""
    if "traits" in event:
        return event | {
            "traits": {k: v if k != "role" else shown(k, v) for k, v in event["traits"].items()}
        }
    properties = dict(event["properties"])
    for name in ("region", "channel"):
        properties[name] = shown(name, properties[name])
    region, channel = (properties[name] or "(none)" for name in ("region", "channel"))
    properties["both"] = f"{region}&{channel}"
    if event["event"] == "plan_change":
        tier = properties.get("tier") or "(none)"
        properties["plan"] = f"{tier}&{shown('contract', properties['plan']) or '(none)'}"
    return event | {"properties": properties}


@st.composite
def in_segments(draw: st.DrawFn) -> list[Told]:
    """Events that say where they belong, and what is told of some people."""
    found = []
    for event, times in draw(events()):
        if "properties" in event:
            names = ["region", "channel", *(["plan"] if event["event"] == "plan_change" else [])]
            words = {name: draw(st.sampled_from(WORDS[name])) for name in names}
            event["properties"] = event["properties"] | words
        found.append(Told(event, times))
    for number in range(draw(st.integers(0, 4))):
        event = {"messageId": f"r{number}", "type": "identify", "timestamp": iso(draw(moments))}
        event["userId"] = draw(st.sampled_from(("u1", "u2", "u3")))
        event["traits"] = {"role": draw(st.sampled_from(WORDS["role"]))}
        found.append(Told(event, 1))
    return found


def at_once(count: int) -> Run:
    return Run(range(count), 1, 1, max(count, 1), 1 << 30, 1000, 0)


def renamed(outcome: Outcome) -> dict[Any, Any]:
    found = {}
    for key, said in outcome.kpis.items():
        dimension, is_, value = key.segment.partition("=")
        named = RENAMED.get(dimension, dimension)
        if (dimension, value) == ("contract", "(none)"):
            value = "(none)&(none)"  # of whoever never had one
        found[key._replace(segment=f"{named}{is_}{value}")] = said
    return found


def without_contract(values: Mapping[Any, Any]) -> dict[Any, Any]:
    """A contract alone is told by the one plan only."""
    return {key: said for key, said in values.items() if not key.segment.startswith("contract=")}


@settings(fuzzed, max_examples=examples(3))
@given(st.data())
def test_folded_and_combined_segments_are_those_that_events_would_say(data: st.DataObject):
    found = data.draw(in_segments())
    ours = [orjson.dumps(each.event) for each in found for _ in range(each.times)]
    theirs = [orjson.dumps(saying_so(each.event)) for each in found for _ in range(each.times)]
    run = data.draw(runs(len(ours)))._replace(held=0)

    one = outcome_of(worked(folded(), ours, run))
    other = outcome_of(worked(told_by_events(), theirs, at_once(len(theirs))))

    mine, wanted = without_contract(one.kpis), renamed(other)
    keys = mine.keys() | wanted.keys()
    differ = {
        key: (mine.get(key), wanted.get(key)) for key in keys if mine.get(key) != wanted.get(key)
    }
    assert differ == {}
    assert one.signals == other.signals
    _add_up(one.kpis)


def _add_up(values: Mapping[Any, Any]) -> None:
    """What is in one segment of a dimension at a time is, of all of them, the whole."""
    wholes, parts = Counter[Any](), Counter[Any]()
    for key, (value, _) in values.items():
        if key.level == "company" and key.segment == "all":
            wholes[key] += value
        elif key.level == "company":
            parts[key._replace(segment="all"), dimension_of(key.segment)] += value
    for key, whole in wholes.items():
        for dimension in _SPLIT.get(key.kpi, ()):
            assert abs(parts[key, dimension] - whole) < 1e-6, (key, dimension)


OF_EVENTS = ("region", "channel", "region&channel")
OF_STATES = ("tier", "contract", "tier&contract")


def _split_by(row: Row) -> tuple[str, ...]:
    """Dimensions of which a fact, or a subject at a time, has one value."""
    if isinstance(row, CountRow | SumRow) and of_facts(row):
        return OF_EVENTS
    if isinstance(row, MembershipRow):
        return OF_STATES if row.subject == "account" else ("role",)
    return OF_STATES if row.id == "new_pqls" else ()


_SPLIT = {row.id: _split_by(row) for row in catalogue_rows() if row.segments}
