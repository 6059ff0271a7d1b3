"""The JSON Schema in docs/ is the one the models make, and it judges plans as they do."""

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from schemas.plan.check import load_plan
from schemas.plan.json_schema import plan_json_schema, plan_json_schema_text
from schemas.plan.source import read_source

ROOT = Path(__file__).resolve().parents[3]
PLANS = sorted((ROOT / "plans").glob("*.yaml"))


def mistakes(text: str) -> list[str]:
    validator = Draft202012Validator(plan_json_schema())
    return sorted(error.json_path for error in validator.iter_errors(read_source(text).data))


def test_the_exported_schema_is_up_to_date() -> None:
    exported = (ROOT / "docs" / "plan.schema.json").read_text(encoding="utf-8")
    assert exported == plan_json_schema_text(), "run: headwater plan schema > docs/plan.schema.json"


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(plan_json_schema())


@pytest.mark.parametrize("file", PLANS, ids=lambda file: file.stem)
def test_an_example_plan_is_accepted_by_the_schema_and_by_the_check(file: Path) -> None:
    assert mistakes(file.read_text(encoding="utf-8")) == []
    load_plan(file)


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("activity: all", ["$"]),
        ("product: T\nactivty: all", ["$"]),
        ("product: ''", ["$.product"]),
        ("product: T\nweek_start: mondai", ["$.week_start"]),
        ("product: T\nevents: [{event: A, is: activaton}]", ["$.events[0].is"]),
        ("product: T\nevents: [{event: A}]", ["$.events[0]"]),
        ("product: T\nkey_tasks: {a: 5}", ["$.key_tasks.a"]),
        ("product: T\nactivity:", ["$.activity"]),
        ("product: T\nactivity: {event: A, where: {x: {inn: [1]}}}", ["$.activity"]),
        ("product: T\nactivity: {event: }", ["$.activity"]),
        ("product: T\nsegments: {a b: {trait: x}}", ["$.segments"]),
        ("product: T\nwatermark: {disorder: 60}", ["$.watermark.disorder"]),
        ("product: T\nwatermark: {disorder: 60 seconds}", ["$.watermark.disorder"]),
        ("product: T\nkpis: {periods: {dau: [weak]}}", ["$.kpis.periods.dau[0]"]),
        ("product: T\nkpis: {conditions: {a: {since: activity}}}", ["$.kpis.conditions.a"]),
        ("product: T\nhorizon: {entity_days: 0}", ["$.horizon"]),
    ],
)
def test_a_wrong_plan_is_refused_by_the_schema(text: str, places: list[str]) -> None:
    assert mistakes(text) == places


@pytest.mark.parametrize(
    "text",
    [
        "activity: {event: A, where: {a: null, b: {equals: null}, c: {in: [1, true, null, x]}}}",
        "activation: {any_of: [A, {page: B}], distinct_days: 3, within_days: 7}",
        "events: [{event: A, is: [activity, feature], name: {property: p}}]",
        "inputs: [{topic: t, format: mapping, fields: {name: n, time: t, user: u}}]",
        "horizon: {tally_days: 30}",
        "kpis: {conditions: {a: {not: {silent: {kind: [lead, trial]}, days: setting.pql_days}}}}",
    ],
)
def test_what_the_check_accepts_the_schema_accepts(text: str) -> None:
    load_plan("product: T\n" + text)
    assert mistakes("product: T\n" + text) == []
