"""Events split over any inputs and partitions come to the same numbers as in one."""

from typing import Any, NamedTuple

import orjson
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.plan.check import load_plan
from schemas.times import DAY_MS, HOUR_MS, iso, parse_iso
from streams.engine import Engine
from tests.laws import examples
from tests.records import Result
from tests.test_properties import differences, end_of_run, fuzzed

FIRST_MS = parse_iso("2026-03-02T00:00:00Z")
NOW_MS = FIRST_MS + 60 * DAY_MS
END_MS = FIRST_MS + 20 * DAY_MS
MEANINGS: list[dict[str, Any]] = [
    {"event": "*", "is": "activity"},
    {"event": "Done", "is": ["activation", "key_task"], "name": "do"},
    {"event": "Paid", "is": "payment", "value": "total"},
    {"event": "Asked", "is": "ticket", "name": {"property": "id"}, "attributes": {
        "status": {"property": "status"}}},
]  # fmt: skip
NAMES = ("Opened", "Done", "Paid", "Asked")


class Split(NamedTuple):
    """Calls, each with the numbers of its input and partition, in the order of arrival."""

    calls: list[tuple[bytes, int, int]]
    own: list[bool]
    """Of each input: whether it has rules of its own, which are those of all."""
    drives: list[bool]
    restarts: list[bool]


@st.composite
def splits(draw: st.DrawFn) -> Split:
    inputs = draw(st.integers(1, 4))
    sent = []
    for number in range(draw(st.integers(1, 25))):
        name = draw(st.sampled_from(NAMES))
        at_ms = FIRST_MS + draw(st.integers(0, 14 * 24)) * HOUR_MS
        fields = {
            "messageId": f"m{number}",
            "type": "track",
            "event": name,
            "timestamp": iso(at_ms),
            "userId": draw(st.sampled_from(("u1", "u2", "u3"))),
            "context": {"groupId": draw(st.sampled_from(("a1", "a2")))},
            "properties": {
                "total": draw(st.integers(1, 9)),
                "id": draw(st.sampled_from(("t1", "t2"))),
                "status": draw(st.sampled_from(("created", "closed"))),
            },
        }
        sent.append(orjson.dumps(fields))
    again = draw(st.lists(st.sampled_from(sent), max_size=4))
    order = draw(st.permutations([*sent, *again]))
    calls = [(c, draw(st.integers(0, inputs - 1)), draw(st.integers(0, 1))) for c in order]
    flags = st.lists(st.booleans(), min_size=inputs, max_size=inputs)
    restarts = st.lists(st.booleans(), min_size=len(calls), max_size=len(calls))
    return Split(calls, draw(flags), draw(flags), draw(restarts))


def plan(inputs: list[dict[str, Any]], shared: bool) -> str:
    data = {
        "product": "Split",
        "inputs": inputs,
        **({"events": MEANINGS} if shared else {}),
        "horizon": "all",
        "duplicates": {"usage_window": "400d"},
        "kpis": {"levels": {"account": ["wau"]}},
    }
    return yaml.safe_dump(data, sort_keys=False)


def in_one(split: Split) -> Result:
    engine = Engine(load_plan(plan([{"topic": "t0"}], shared=True)), partitions=1)
    engine.feed([call for call, *_ in split.calls], now_ms=NOW_MS)
    return end_of_run(engine, END_MS, NOW_MS)


def in_several(split: Split) -> Result:
    inputs: list[dict[str, Any]] = [
        {
            "topic": f"t{number}",
            "drives_watermark": drives or not any(split.drives),
            **({"events": MEANINGS} if own else {}),
        }
        for number, (own, drives) in enumerate(zip(split.own, split.drives, strict=True))
    ]
    text = plan(inputs, shared=not all(split.own))
    engine = Engine(load_plan(text), input_partitions=2, partitions=3)
    now_ms = NOW_MS
    for (call, input, partition), restart in zip(split.calls, split.restarts, strict=True):
        engine.feed([call], input=f"t{input}", partition=partition, now_ms=NOW_MS)
        if restart:
            now_ms += 1000
            engine.settle(now_ms=now_ms)
            engine.restart()
    return end_of_run(engine, END_MS, now_ms + DAY_MS)


@settings(fuzzed, max_examples=examples(15))
@given(splits())
def test_any_inputs_come_to_what_one_comes_to(split: Split) -> None:
    one = in_one(split)
    assert one.dead_letters == []
    assert one.kpis
    assert differences(one, in_several(split)) == []
