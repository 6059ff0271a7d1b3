"""Names in the order of their scores."""

from fractions import Fraction

from schemas.ranks import By
from streams.operators.ranking import Order, Ranked

BY_SCORE = [By(term="score")]


def ranked(**scores: int | Fraction | None) -> list[Ranked]:
    return [
        Ranked(name, {"score": None if score is None else Fraction(score)})
        for name, score in scores.items()
    ]


def names(order: Order, of: list[Ranked], part: str = "top") -> list[str]:
    lines = order.value(of).lines
    assert lines is not None
    return [line["name"] for line in lines[part]]


def test_the_highest_score_comes_first_and_a_null_last_whichever_the_order():
    of = ranked(low=1, none=None, high=3)
    rising = Order([By(term="score", order="ascending")], top=3, bottom=0)

    assert names(Order(BY_SCORE, top=3, bottom=0), of) == ["high", "low", "none"]
    assert names(rising, of) == ["low", "high", "none"]


def test_ties_go_by_the_next_score_and_then_by_name_as_bytes():
    of = [
        Ranked(name, {"score": Fraction(1, 3), "uses": Fraction(uses)})
        for name, uses in (("é", 1), ("z", 1), ("Z", 1), ("a", 0))
    ]
    order = Order([*BY_SCORE, By(term="uses")], top=4, bottom=0)
    assert names(order, of) == ["Z", "z", "é", "a"]


def test_scores_are_compared_exactly():
    third = Fraction(1, 3)
    nearly = third - Fraction(1, 10**30)
    assert names(Order(BY_SCORE, top=2, bottom=0), ranked(a=nearly, b=third)) == ["b", "a"]


def test_the_bottom_counts_from_the_end_and_the_value_is_how_many_are_shown():
    of = ranked(a=5, b=4, c=3, d=2, e=1)
    order = Order(BY_SCORE, top=2, bottom=2)

    assert names(order, of) == ["a", "b"]
    assert names(order, of, "bottom") == ["e", "d"]
    assert order.value(of).number == 4
    assert order.value(of[:3]).number == 3, "those that stand in both are counted once"


def test_a_line_shows_its_scores_and_what_stands_beside_them():
    term = {"add": ["score", 1]}
    order = Order([By(term=term, shown_as="more")], top=1, bottom=0, shows=["score"])
    lines = order.value(ranked(a=Fraction(1, 4))).lines
    assert lines is not None
    assert lines["top"] == [{"rank": 1, "name": "a", "scores": {"more": 1.25, "score": 0.25}}]
