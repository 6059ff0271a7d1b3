"""What a watch sees, and which way a change goes."""

from fractions import Fraction

import pytest

from schemas.plan.models import Watch
from streams.alerting.course import is_beyond, see


def verdict(test: str, values: tuple[int, int], *, enter: float = 0.2) -> bool | None:
    watch = Watch(kpi="x", test=test, against="previous", enter=enter, clear=enter)  # type: ignore[arg-type]
    return is_beyond(watch, see(watch, 1, lambda _, index: Fraction(values[index]), "day"))


@pytest.mark.parametrize(
    ("before", "now", "rises", "drops"),
    [
        (100, 125, True, False),
        (100, 75, False, True),
        (-10, -5, True, False),
        (-5, -10, False, True),
    ],
)
def test_a_change_has_the_sign_of_the_difference_also_below_nothing(
    before: int, now: int, rises: bool, drops: bool
) -> None:
    assert verdict("rise", (before, now)) is rises
    assert verdict("drop", (before, now)) is drops


def test_a_change_from_nothing_is_no_opinion() -> None:
    assert verdict("rise", (0, 5)) is None
    assert verdict("drop", (0, 0)) is None


def test_a_bound_is_what_people_wrote() -> None:
    assert verdict("rise", (10, 12)) is False, "0.2 of 10 is 2, and 2 is not more"
