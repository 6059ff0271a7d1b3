"""How many members count in each period: the same as a dict of numbers."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from streams.accounts.member_counts import MemberCounts
from tests.laws import law

THRESHOLDS = (1, 2, 3, 4, 7)

members = st.tuples(st.integers(-20, 60), st.integers(1, (1 << 40) - 1))
"""(index of bit 0, mask)"""
changes = st.lists(st.tuples(members, st.booleans()), max_size=20)
"""A member, and whether it leaves again."""


def set_bits(index: int, mask: int) -> list[int]:
    return [index + bit for bit in range(mask.bit_length()) if mask >> bit & 1]


@law
@given(changes)
def test_a_threshold_mask_shows_where_so_many_members_count(
    changes: list[tuple[tuple[int, int], bool]],
):
    counts, expected = MemberCounts(), Counter[int]()
    present: list[tuple[int, int]] = []
    for (index, mask), leaves in changes:
        counts.change(index, 0, mask)
        present.append((index, mask))
        if leaves:
            index, mask = present.pop(0)
            counts.change(index, mask, 0)
    for member in present:
        expected.update(set_bits(*member))

    assert counts.last == max(expected, default=None)
    base = -30
    for n in THRESHOLDS:
        found = set_bits(base, counts.at_least(n, base))
        assert found == sorted(index for index, members in expected.items() if members >= n)


def test_a_member_that_changes_counts_where_it_is_now():
    counts = MemberCounts()
    counts.change(0, 0b000, 0b011)
    counts.change(0, 0b000, 0b110)
    counts.change(0, 0b011, 0b101)

    assert (counts.at_least(1, 0), counts.at_least(2, 0)) == (0b111, 0b100)


def test_nobody_counts_anywhere_before_the_first_member():
    assert MemberCounts().at_least(1, 0) == 0


def test_a_member_with_an_earlier_period_moves_the_base():
    counts = MemberCounts()
    counts.change(100, 0b0, 0b1)
    counts.change(90, 0b0, 0b1)

    assert counts.base == 90
    assert counts.at_least(1, 90) == 1 | 1 << 10
