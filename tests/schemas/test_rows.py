"""Rows of the catalogue: what may stand in one, and what follows from it."""

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.row_forms.people import ConversionRow, LagRow, MilestoneRow
from schemas.row_forms.values import FormulaRow
from schemas.row_reading import kinds_of, needed_kinds, resolved, row_of, rows_of
from schemas.rows import per_account, variants_of
from schemas.selectors import FactSelector, FirstEver
from schemas.terms import Input, kpi_in

COMMON: dict[str, Any] = {
    "id": "x",
    "name": "X",
    "group": "own",
    "unit": "users",
    "periods": ["day"],
    "definition": "d",
    "example": "e",
}
FIRST = {"kind": "first_action"}
DONE = {"kind": "activation"}

DISTINCT = COMMON | {"operator": "distinct", "subject": "user", "when": {"active": "P"}}
SHARE = COMMON | {
    "operator": "share",
    "subject": "account",
    "base": {"active": "P"},
    "passes": {"all": [{"active": "P"}, {"members": {"first": DONE}, "at_least": 3}]},
}
COUNT = COMMON | {"operator": "count", "subject": "any", "of": {"kind": "session"}, "each": "fact"}
CONVERSION = COMMON | {
    "operator": "conversion",
    "subject": "user",
    "anchor": FIRST,
    "goal": {"first": DONE},
    "within_days": 14,
}
RETENTION = COMMON | {
    "operator": "conversion",
    "subject": "user",
    "anchor": FIRST,
    "goal": {"active_on": {"kind": "activity"}},
    "variant": [1, 7],
}
CORRELATION = COMMON | {
    "operator": "correlation",
    "subject": "account",
    "over": {"active": {"kind": "activity"}},
    "x": {"count": {"kind": "feature"}},
    "y": {"sum": {"kind": "payment"}},
    "each_name": "feature",
    "periods": ["month"],
}
LAG = COMMON | {"operator": "lag", "subject": "user", "anchor": FIRST, "end": DONE}
MEMBERSHIP = COMMON | {
    "operator": "milestone",
    "subject": "account",
    "members": {"first": DONE},
    "reach": [3, 5],
}
IN = COMMON | {
    "operator": "membership",
    "subject": "user",
    "when": {"silent": {"kind": "activity"}, "days": 14},
}
MANY: dict[str, Any] = {"many": DONE, "each": "fact", "days": 7, "at_least": 2}
SUM = COMMON | {"operator": "sum", "subject": "user", "terms": [{"of": DONE, "times": "weight"}]}
MEAN = COMMON | {"operator": "mean", "subject": "user", "of": {"kind": "survey"}}
LATEST = MEAN | {"each": "latest_in_period"}
RATE = COMMON | {
    "operator": "rate",
    "subject": "thing",
    "of": {"kind": "project"},
    "each": "subject",
    "passing": {"by": "due_ms"},
}
PAIRS = CONVERSION | {"each_name": "guide", "each_pair": {"tips": "export", "tour": "share"}}
DURATION = COMMON | {
    "operator": "duration",
    "subject": "thing",
    "begin": {"kind": "incident"},
    "end": {"kind": "incident"},
    "take": "covered",
}
BALANCE = COMMON | {
    "operator": "balance",
    "subject": "account",
    "of": {"kind": "subscription"},
    "end": {"at_most": 0, "stopped": True},
    "sum": "values",
    "values_of": {"kind": "payment"},
}
STEPS = CONVERSION | {"goal": {"in_order": {"kind": "key_task", "name": ["a", "b"]}}}
GIVEN = CONVERSION | {
    "given": [
        {"stands": {"kind": "subscription"}, "days": -90, "above": 0},
        {"names": {"kind": "key_task", "name": ["a"]}, "days": 30, "done": False},
    ],
    "goal": {"stands": {"kind": "subscription"}, "days": 14, "at_most": 0},
}
PLANNED = COMMON | {
    "operator": "formula",
    "inputs": {
        "a": {"kpi": "dau"},
        "goal": {"months": {"2026-03": 5}},
        "best": {"dimension": "region", "values": {"eu": "0.2"}},
    },
    "formula": {"div": ["a", {"mul": ["goal", "best"]}]},
}
FORMULA = COMMON | {
    "operator": "formula",
    "inputs": {"a": {"kpi": "dau"}, "b": {"kpi": {"day": "wau"}}},
    "formula": {"div": ["a", {"add": ["b", 1]}]},
}
ALL = [
    DISTINCT,
    SHARE,
    COUNT,
    CONVERSION,
    RETENTION,
    LAG,
    MEMBERSHIP,
    IN,
    SUM,
    MEAN,
    LATEST,
    RATE,
    PAIRS,
    DURATION,
    BALANCE,
    STEPS,
    GIVEN,
    PLANNED,
    FORMULA,
]


@pytest.mark.parametrize("row", ALL, ids=lambda row: row["operator"])
def test_a_row_of_each_operator_is_read_and_written_back(row: dict[str, Any]):
    read = row_of(row)

    assert row_of(read.model_dump(by_alias=True)) == read
    assert rows_of([row]) == [read]


@pytest.mark.parametrize(
    ("row", "mistake"),
    [
        (DISTINCT | {"operator": "median"}, "operator"),
        (DISTINCT | {"id": "Not An Id"}, "id"),
        (DISTINCT | {"periods": []}, "periods"),
        (DISTINCT | {"periods": ["year"]}, "periods"),
        (DISTINCT | {"when": {"active": "tomorrow"}}, "when"),
        (DISTINCT | {"when": {"members": {"active": "P"}, "at_least": 2}}, "subject: account"),
        (
            SHARE
            | {
                "subject": "user",
                "base": {"different": DONE, "among": "trailing_7d", "at_least": 2},
                "passes": {"active": "P"},
            },
            "subject: account",
        ),
        (DISTINCT | {"when": {"all": []}}, "all"),
        (DISTINCT | {"sneaky": 1}, "sneaky"),
        ({k: v for k, v in DISTINCT.items() if k != "definition"}, "definition"),
        (COUNT | {"each": "subject"}, "each: subject"),
        (COUNT | {"subject": "thing"}, "each: subject"),
        (COUNT | {"sum": 1}, "sum"),
        (CONVERSION | {"within_days": None}, "within_days"),
        (CONVERSION | {"variant": [1]}, "variant"),
        (RETENTION | {"variant": None}, "variant"),
        (RETENTION | {"within_days": 3}, "within_days"),
        (LAG | {"headline": "mode"}, "headline"),
        (IN | {"when": {"silent": {"kind": "activity"}, "days": 0}}, "greater than or equal to 1"),
        (IN | {"when": {"not": {"since": DONE}}}, "never did anything"),
        (IN | {"when": {"any": [{"since": DONE}, {"not": IN["when"]}]}}, "never did anything"),
        (IN | {"when": {"members": {"first": DONE}, "at_least": 1}}, "subject: account"),
        (IN | {"when": MANY | {"at_least": 0}}, "greater than or equal to 1"),
        (IN | {"when": MANY | {"percent_of": {"latest": DONE, "attribute": "x"}}}, "each: user"),
        (SUM | {"each": "subject"}, "each: fact"),
        (LATEST | {"subject": "any"}, "latest_in_period"),
        (LATEST | {"percent_of": "scale"}, "percent_of"),
        (LATEST | {"after": DONE}, "each: subject"),
        (MEAN | {"without_subject": "each_fact"}, "latest_in_period"),
        (LATEST | {"bands": [{"at_most": 6, "counts": 0}]}, "bands"),
        (
            LATEST
            | {"bands": [{"at_most": 6, "counts": 0}, {"at_most": 3, "counts": 1}, {"counts": 2}]},
            "low to high",
        ),
        (LAG | {"each": "latest_in_period"}, "cohort: end"),
        (RATE | {"each": "fact"}, "go together"),
        (RATE | {"passing": {"percent_of": "scale", "at_least": 80}}, "go together"),
        (CONVERSION | {"each_attribute": "variant"}, "each_name"),
        (CONVERSION | {"each_name": "task", "goal": {"names": DONE, "at_least": 1}}, "each_name"),
        (PAIRS | {"goal": {"rises": DONE}}, "each_pair"),
        (CONVERSION | {"each_name": "task", "each_entry": {"a": {"n": 1}}}, "each_entry"),
        (BALANCE | {"values_of": None}, "values_of"),
        (
            BALANCE | {"each_used": {"used": DONE, "days": 30, "shown_as": "task"}},
            "`each_used` goes with `segments: false`",
        ),
        (BALANCE | {"start": {"stopped": True}}, "stopped"),
        (STEPS | {"until": DONE}, "in_order"),
        (DURATION | {"times": DONE}, "take: whole"),
        (DURATION | {"take": "half"}, "take"),
        (FORMULA | {"each_variant_of": "c"}, "each_variant_of"),
        (FORMULA | {"formula": {"pow": ["a", 2]}}, "formula"),
        (CORRELATION | {"over": None}, "`over` goes with every `y` but `share_of`"),
        (CORRELATION | {"subject": "user"}, "go with `subject: account`"),
        (
            CORRELATION | {"x": {"sum": {"kind": "outcome"}}, "each_name": "kind"},
            "`each_name` goes with `count`",
        ),
        (CORRELATION | {"segments": True}, "segments"),
    ],
)
def test_a_row_that_cannot_be_is_refused_at_its_place(row: dict[str, Any], mistake: str):
    with pytest.raises(ValidationError, match=mistake):
        row_of(row)


def test_settings_stand_in_for_numbers_and_names():
    membership = resolved(row_of(MEMBERSHIP | {"reach": "setting.n"}), {"n": (1, 3)})
    assert isinstance(membership, MilestoneRow)
    assert membership.reach == (1, 3)

    named = {"kind": "key_task", "name": "setting.tasks"}
    goal = {"names": named, "at_least": "setting.least"}
    row = row_of(CONVERSION | {"goal": goal})
    some = resolved(row, {"tasks": ("a", "b"), "least": 2})
    every = resolved(row, {"tasks": (), "least": 1})
    assert isinstance(some, ConversionRow)
    assert isinstance(every, ConversionRow)
    assert some.goal.model_dump(exclude_defaults=True) == {
        "names": {"kind": "key_task", "name": ("a", "b")},
        "at_least": 2,
    }
    assert every.goal.model_dump()["names"]["name"] is None, "no names stand for all"


def test_a_setting_that_does_not_exist_is_a_key_error():
    with pytest.raises(KeyError, match="missing"):
        resolved(row_of(MEMBERSHIP | {"reach": "setting.missing"}), {})


@pytest.mark.parametrize(
    ("row", "variants"),
    [
        (STEPS, ("step=a", "step=b", "")),
        (PAIRS, ("guide=tips", "guide=tour")),
        (RETENTION, ("n=1", "n=7")),
        (MEMBERSHIP, ("users=3", "users=5")),
        (DISTINCT, ("",)),
    ],
    ids=lambda each: each["operator"] if isinstance(each, dict) else None,
)
def test_a_row_has_a_variant_for_each_of_its_numbers(
    row: dict[str, Any], variants: tuple[str, ...]
):
    assert variants_of(row_of(row)) == variants


@pytest.mark.parametrize(
    ("row", "kinds"),
    [
        (DISTINCT, {"activity"}),
        (SHARE, {"activity", "activation"}),
        (COUNT, {"session"}),
        (RETENTION, {"first_action", "activity"}),
        (LAG, {"first_action", "activation"}),
        (MEMBERSHIP, {"activation"}),
        (FORMULA, set()),
    ],
    ids=lambda each: each["operator"] if isinstance(each, dict) else None,
)
def test_a_row_knows_the_kinds_of_facts_it_is_made_from(row: dict[str, Any], kinds: set[str]):
    assert kinds_of(row_of(row)) == kinds


@pytest.mark.parametrize(
    ("row", "can"),
    [
        (DISTINCT, True),
        (COUNT, True),
        (LAG, True),
        (SHARE, False),
        (MEMBERSHIP, False),
        (FORMULA, True),
    ],
    ids=lambda each: each["operator"] if isinstance(each, dict) else None,
)
def test_rows_about_users_and_facts_can_be_published_per_account(row: dict[str, Any], can: bool):
    assert per_account(row_of(row)) is can


@pytest.mark.parametrize(
    ("written", "period", "kpi"),
    [
        ({"kpi": "dau"}, "week", "dau"),
        ({"kpi": {"day": "dau", "week": "wau"}}, "week", "wau"),
        ({"kpi": {"day": "dau"}}, "week", None),
        ({"kpi": {"trailing_7d": "wau"}, "period": "trailing_7d"}, "day", "wau"),
    ],
)
def test_an_input_names_a_kpi_for_a_period(written: dict[str, Any], period: str, kpi: str | None):
    assert kpi_in(Input.model_validate(written), period) == kpi


def test_a_row_cannot_be_changed():
    row = row_of(LAG)
    assert isinstance(row, LagRow)
    with pytest.raises(ValidationError, match="frozen"):
        row.headline = "mean"


def test_terms_may_be_nested_and_members_are_told_from_firsts():
    formula, share = row_of(FORMULA), row_of(SHARE)

    assert isinstance(formula, FormulaRow)
    assert formula.formula == {"div": ("a", {"add": ("b", 1)})}
    assert isinstance(share.passes.all[1].members, FirstEver)


def test_a_condition_is_written_out_for_each_entry_of_a_mapping():
    condition = {"since": {"kind": "feature", "name": "each.names", "where": {"addon": "each"}}}
    row = row_of(IN | {"when": {"for_each": "setting.addons", "any": condition}})

    (one, other) = resolved(row, {"addons": {"a": "x", "b": "y", "c": "x"}}).when.any  # type: ignore[union-attr]

    assert one.since == FactSelector(kind="feature", name=("a", "c"), where={"addon": "x"})
    assert other.since == FactSelector(kind="feature", name=("b",), where={"addon": "y"})


def test_either_of_two_kinds_is_enough_for_a_selector_of_both():
    row = row_of(COUNT | {"of": {"kind": "trial", "or": {"kind": "plan_change"}}})

    assert needed_kinds(row) == {("trial", "plan_change")}
