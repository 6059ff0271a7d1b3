"""How the values of events compare with the operands of a plan."""

from typing import Any

import pytest

from schemas.plan.conditions import compile_where, condition_test, pattern_matcher, read_path
from schemas.plan.models import Condition
from schemas.properties import MISSING, NOT_SCALAR


def holds(op: Any, operand: Any, value: Any) -> bool:
    return condition_test(Condition(path="x", op=op, operand=operand))(value)


@pytest.mark.parametrize(
    ("operand", "same", "others"),
    [
        (1, [1, 1.0], ["1", True, 2, None, [1]]),
        (True, [True], ["true", 1, "True", False, None]),
        (False, [False], [0, "false", None, ""]),
        ("1", ["1"], [1, True, " 1"]),
        ("true", ["true"], [True, "True"]),
        ("Pro", ["Pro"], ["pro", "Pro "]),
        (None, [None], ["null", 0, False, ""]),
        (0.1, [0.1], [0.10000001, "0.1"]),
    ],
)
def test_values_compare_as_json(operand: Any, same: list[Any], others: list[Any]) -> None:
    for value in same:
        assert holds("equals", operand, value)
        assert holds("in", ("other", operand), value)
        assert not holds("not_equals", operand, value)
        assert not holds("not_in", (operand,), value)
    for value in [*others, MISSING, NOT_SCALAR, {"a": 1}, [operand]]:
        assert not holds("equals", operand, value)
        assert not holds("in", (operand, operand), value)
        assert holds("not_equals", operand, value)
        assert holds("not_in", (operand,), value)


@pytest.mark.parametrize(
    ("op", "operand", "yes", "no"),
    [
        ("gt", 3, [4, 3.1], [3, 2, "4", True, None]),
        ("ge", 3, [3, 3.0], [2.9, "3"]),
        ("lt", 3, [-1, 2.9], [3, False, "2"]),
        ("le", 3, [3], [3.1, "3"]),
        ("ge", "2024-01-01", ["2024-01-01", "2024-05-01"], ["2023-12-31", 20240101]),
        ("lt", "b", ["a", "B", ""], ["b", "c", 1]),
    ],
)
def test_numbers_and_texts_have_each_their_own_order(
    op: str, operand: Any, yes: list[Any], no: list[Any]
) -> None:
    assert all(holds(op, operand, value) for value in yes)
    assert not any(holds(op, operand, value) for value in [*no, MISSING, NOT_SCALAR, [], {}])


@pytest.mark.parametrize("value", [None, 0, False, "", [], {}, NOT_SCALAR])
def test_whatever_stands_there_exists(value: Any) -> None:
    assert holds("exists", True, value)
    assert not holds("exists", False, value)


def test_what_is_missing_does_not_exist() -> None:
    assert holds("exists", False, MISSING)
    assert not holds("exists", True, MISSING)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("Report *", ["Report Viewed", "Report "], ["Reports", "report x", "My Report x"]),
        ("*", ["", "anything\nat all"], []),
        ("v?", ["v1", "vé"], ["v", "v12"]),
        ("a.b[c]", ["a.b[c]"], ["axb[c]", "a.bc"]),
        ("*@us.example", ["a@us.example"], ["a@us.example.org", "a@usxexample"]),
        ("**", ["x"], []),
    ],
)
def test_a_pattern_fits_a_whole_text(pattern: str, yes: list[str], no: list[str]) -> None:
    fits = pattern_matcher(pattern)
    assert all(map(fits, yes))
    assert not any(map(fits, no))
    assert all(holds("matches", pattern, value) for value in yes)
    assert not any(holds("matches", pattern, value) for value in [*no, MISSING, 1, None])


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a", 1),
        ("b.c", 2),
        ("b", {"c": 2, "d.e": 3}),
        ("b.d.e", 3),
        ("f.g", 4),
        ("b.x", MISSING),
        ("a.b", MISSING),
        ("list.0", MISSING),
        ("none", None),
        ("none.x", MISSING),
    ],
)
def test_a_path_leads_into_objects(path: str, value: Any) -> None:
    document = {
        "a": 1,
        "b": {"c": 2, "d.e": 3},
        "f.g": 4,
        "f": {"g": "hidden by the key with the dot"},
        "list": [1],
        "none": None,
    }
    assert read_path(document, path) == value


def test_all_conditions_must_hold_each_where_its_path_leads() -> None:
    predicate = compile_where(
        (
            Condition(path="kind", op="equals", operand="pdf"),
            Condition(path="size.kb", op="gt", operand=10),
            Condition(path="traits.plan", op="in", operand=("pro", "team")),
        )
    )
    assert predicate is not None
    assert predicate({"kind": "pdf", "size": {"kb": 11}}, {"plan": "pro"})
    assert not predicate({"kind": "csv", "size": {"kb": 11}}, {"plan": "pro"})
    assert not predicate({"kind": "pdf", "size": {"kb": 10}}, {"plan": "pro"})
    assert not predicate({"kind": "pdf", "size": {"kb": 11}, "traits": {"plan": "pro"}}, {})


def test_no_conditions_make_no_predicate() -> None:
    assert compile_where(()) is None
