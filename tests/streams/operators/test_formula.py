"""Arithmetic on exact values, in which null passes through."""

from fractions import Fraction
from typing import Any

import pytest

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


@pytest.mark.parametrize(
    ("term", "names"),
    [(1, set()), ("a", {"a"}), ({"div": ["a", {"add": ["b", 2, "a"]}]}, {"a", "b"})],
)
def test_a_term_names_the_inputs_it_reads(term: Any, names: set[str]):
    assert names_in(term) == names
