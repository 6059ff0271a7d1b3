"""Variants that are split in turn, and formulas that read the whole beside a part of it."""

from datetime import UTC, datetime

import pytest
import yaml

from schemas.plan.check import PlanInvalid, load_plan
from tests.catalogue.cases import Detail, Fact
from tests.catalogue.running import PLAN, run_facts
from tests.records import Record

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
NAME = "plans & tasks&kind"
"""A feature may be called like that."""


def told(kind: str, name: str, value: int | None = None, **attributes: str) -> Fact:
    return Fact(AT, kind, "a1", "u1", Detail(name, value, dict(attributes)))


def of_month(facts: list[Fact], kpi: str) -> dict[str | None, Record]:
    until = AT.replace(month=AT.month + 1, day=1)
    result = run_facts(facts, PLAN | {"kpis": {"only": [kpi]}}, until)
    return {
        key.variant: record
        for key, record in result.kpis.items()
        if key.kpi == kpi and key.period == "month" and record["value"]
    }


def test_a_part_is_divided_by_its_whole_whatever_that_is_called() -> None:
    facts = [
        *(told("feature", NAME) for _ in range(4)),
        *(told("feature", "plans ") for _ in range(2)),
        told("outcome", "time_saved", 60, feature=NAME),
        told("outcome", "time_saved", 20, feature=NAME),
        told("outcome", "sale", 500, feature=NAME),
        told("outcome", "sale", 500),
    ]

    found = of_month(facts, "outcome_per_feature_use")

    assert {variant: record["value"] for variant, record in found.items()} == {
        f"feature={NAME}": 0.75,
        f"feature={NAME}&kind=time_saved": 0.5,
        f"feature={NAME}&kind=sale": 0.25,
    }
    amounts = {variant: record["parts"]["value"] for variant, record in found.items()}
    assert amounts == {
        f"feature={NAME}": None,
        f"feature={NAME}&kind=time_saved": 20,
        f"feature={NAME}&kind=sale": 125,
    }


def test_users_beside_a_count_are_counted_by_name_only() -> None:
    row = {
        "id": "uses",
        "name": "Uses",
        "group": "own",
        "operator": "count",
        "subject": "user",
        "of": {"kind": "outcome"},
        "variant": {
            "by": "name",
            "shown_as": "kind",
            "within": {"by": "attributes.feature", "shown_as": "feature"},
        },
        "users_as": "users",
        "unit": "events",
        "periods": ["week"],
        "definition": "Outcomes.",
        "example": "One.",
    }

    with pytest.raises(PlanInvalid, match="not with `passing` or `within`"):
        load_plan(yaml.safe_dump(PLAN | {"kpis": {"own": [row]}}))
