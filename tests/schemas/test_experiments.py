"""Who gets which variant follows from the name, the id and the shares, by the documented rule."""

from hashlib import sha256
from itertools import accumulate
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.experiments import variant_of
from tests.laws import law

SHARES = {"call": 45, "mail": 45, "holdout": 10}
IDS = [f"acct-{n:06}" for n in range(100_000)]


@pytest.mark.parametrize(
    ("experiment", "id", "variant"),
    [  # printf 'welcome/a1' | sha256sum, its first 16 digits, times 100, without the last 16 digits
        ("welcome", "a1", "call"),  # 36
        ("welcome", "a2", "call"),  # 6
        ("welcome", "anon:x", "mail"),  # 45
        ("greet", "u1", "holdout"),  # 95
        ("greet", "u2", "mail"),  # 56
        ("welcome_call", "ü", "mail"),  # 82
        ("welcome_call", "acct-001", "holdout"),  # 99
        ("playbook.2", "42", "call"),  # 2
    ],
)
def test_a_variant_is_the_one_that_anybody_computes(experiment: str, id: str, variant: str):
    assert variant_of(experiment, id, SHARES) == variant


@law
@given(
    st.text("abc.-_", min_size=1),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=9),
    st.lists(st.integers(1, 1 << 40), min_size=2, max_size=6),
)
def test_it_is_where_the_hash_falls_among_the_shares(experiment: str, id: str, shares: list[int]):
    found = variant_of(experiment, id, {str(n): share for n, share in enumerate(shares)})

    part = int(sha256(f"{experiment}/{id}".encode()).hexdigest()[:16], 16)
    ends = [end << 64 for end in accumulate(shares)]
    assert found == str(next(n for n, end in enumerate(ends) if part * sum(shares) < end))


@pytest.mark.parametrize("experiment", ["welcome_call", "welcome_mail", "x"])
@pytest.mark.parametrize("shares", [SHARES, {"a": 1, "b": 1}, {"rare": 1, "usual": 99}])
def test_shares_hold_within_sampling_error(experiment: str, shares: dict[str, int]):
    found = [variant_of(experiment, id, shares) for id in IDS]

    for variant, share in shares.items():
        p = share / sum(shares.values())
        assert abs(found.count(variant) - len(IDS) * p) < 4 * sqrt(len(IDS) * p * (1 - p))


def test_experiments_draw_independently():
    both = [
        (variant_of("one", id, SHARES), variant_of("two", id, SHARES)) == ("call", "call")
        for id in IDS
    ]
    p = 0.45 * 0.45
    assert abs(sum(both) - len(IDS) * p) < 4 * sqrt(len(IDS) * p * (1 - p))
