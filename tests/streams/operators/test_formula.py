"""Arithmetic on exact values, in which null passes through."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.operators.formula import compiled, names_in

VALUES = {"a": Fraction(1), "b": Fraction(3), "zero": Fraction(0), "none": None}


@pytest.mark.parametrize(
    ("term", "value"),
    [
        (7, Fraction(7)),
        ("b", Fraction(3)),
        ({"add": ["a", "b", 10]}, Fraction(14)),
        ({"sub": ["a", "b", "b"]}, Fraction(-5)),
        ({"mul": ["b", "b", "b"]}, Fraction(27)),
        ({"div": ["a", "b"]}, Fraction(1, 3)),
        ({"div": ["a", "b", "b"]}, Fraction(1, 9)),
        ({"mul": [{"div": ["a", "b"]}, 3]}, Fraction(1)),  # no rounding on the way
        ({"add": ["a"]}, Fraction(1)),
        ({"div": ["a", "zero"]}, None),
        ({"div": ["zero", "a"]}, Fraction(0)),
        ({"add": ["a", {"div": ["a", "zero"]}]}, None),
        ({"add": ["a", "none"]}, None),
        ({"add": ["none", "a"]}, None),
        ({"mul": ["zero", "none"]}, None),
        ("none", None),
        ({"positive": [{"div": ["a", {"sub": ["a", "b"]}]}]}, None),  # 1 divided by -2
        ({"given": [{"div": [-1, {"sub": ["a", "b"]}]}, "b"]}, Fraction(3)),
        ({"pearson": ["b", "b", 600, 5, 800, 140_000]}, Fraction(1)),
        ({"pearson": ["b", "b", -600, 5, -800, 140_000]}, Fraction(-1)),
        ({"pearson": [4, 2, 2, 2, 1, 2]}, Fraction(0)),
        ({"pearson": [2, 1, 1, 1, 1, 1]}, None),  # of fewer than three
        ({"pearson": ["b", "b", "b", "b", "b", "b"]}, None),  # of what is always the same
        ({"pearson": ["none", "b", 600, 5, 800, 140_000]}, None),
    ],
)
def test_a_term_has_its_exact_value_or_none(term: Any, value: Fraction | None):
    assert compiled(term)(VALUES) == value


def terms(of: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several, one = st.lists(of, min_size=1, max_size=4), st.tuples(of).map(list)
    weighted = st.lists(st.tuples(st.integers(1, 5), of), min_size=1, max_size=4)
    return st.one_of(
        st.builds(lambda op, of: {op: of}, st.sampled_from(["add", "sub", "mul", "div"]), several),
        st.builds(lambda of: {"first": of}, several),
        st.builds(lambda op, of: {op: of}, st.sampled_from(["abs", "positive"]), one),
        st.builds(lambda a, b: {"given": [a, b]}, of, of),
        weighted.map(lambda of: {"weighted": [[w for w, _ in of], *(term for _, term in of)]}),
    )


TERMS = st.recursive(st.integers(-9, 9) | st.sampled_from("xyz"), terms, max_leaves=12)
EXACT = st.none() | st.integers(-9, 9) | st.fractions(-9, 9, max_denominator=12)


def meaning(term: Any, inputs: dict[str, Any]) -> Fraction | None:
    """What a term says, one fraction after the other."""
    if isinstance(term, int):
        return Fraction(term)
    if isinstance(term, str):
        return None if inputs[term] is None else Fraction(inputs[term])
    ((operator, of),) = term.items()
    weights = of[0] if operator == "weighted" else None
    values = [meaning(each, inputs) for each in (of if weights is None else of[1:])]
    if operator == "first":
        return next((value for value in values if value is not None), None)
    if operator in ("given", "positive"):
        return values[-1] if (values[0] or 0) > 0 else None
    if weights is not None:
        there = [(w, v) for w, v in zip(weights, values, strict=True) if v is not None]
        return sum(w * v for w, v in there) / Fraction(sum(w for w, _ in there)) if there else None
    if None in values:
        return None
    found = values[0]
    for each in values[1:]:
        if operator == "div" and not each:
            return None
        arithmetic = {
            "add": found.__add__,
            "sub": found.__sub__,
            "mul": found.__mul__,
            "div": found.__truediv__,
        }
        found = arithmetic[operator](each)
    return abs(found) if operator == "abs" else found


@given(TERMS, st.fixed_dictionaries(dict.fromkeys("xyz", EXACT)))
def test_what_is_compiled_means_the_same(term: Any, inputs: dict[str, Any]):
    assert compiled(term)(inputs) == meaning(term, inputs)


@pytest.mark.parametrize(
    ("term", "names"),
    [(1, set()), ("a", {"a"}), ({"div": ["a", {"add": ["b", 2, "a"]}]}, {"a", "b"})],
)
def test_a_term_names_the_inputs_it_reads(term: Any, names: set[str]):
    assert names_in(term) == names
