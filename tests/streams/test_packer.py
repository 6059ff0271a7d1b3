"""Blocks come back as they were, whichever dictionary they were packed with."""

import random
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from streams.packer import LEARN_FROM, Packer

MANY = 3 * LEARN_FROM
"""Blocks in which two dictionaries are made where records become longer."""


SHORT = (b'"first_at":', b'"by":')
LONG = (*SHORT, b'"reached":{"all":[20000,3,1,1]}', b'"latest_report_at":', b'"plan":"team"')


def block(n: int, says: Iterable[bytes], chance: random.Random) -> dict[str, bytes]:
    """Records like those of users: after each thing that they say, something random."""
    return {
        f"u:user-{n}-{user}": b",".join(
            b"%s%032x" % (each, chance.getrandbits(128)) for each in says
        )
        for user in range(8)
    }


def test_blocks_come_back_whichever_dictionary_they_were_packed_with():
    packer, chance = Packer(), random.Random(1)
    blocks = [block(n, LONG[: 1 + n // 60], chance) for n in range(MANY)]
    packed = [packer.packed(each) for each in blocks]
    assert [packer.unpacked(each) for each in packed] == blocks


def test_what_blocks_have_in_common_is_spared():
    packer, chance = Packer(), random.Random(1)
    blocks = [block(n, SHORT, chance) for n in range(LEARN_FROM)]
    first, *_, last = [len(packer.packed(each)) for each in blocks]
    assert last < 0.9 * first


def test_it_learns_again_as_records_become_longer():
    packer, chance = Packer(), random.Random(1)
    says = [SHORT] * LEARN_FROM + [LONG] * LEARN_FROM
    *before, after = [len(packer.packed(block(n, each, chance))) for n, each in enumerate(says)]
    assert after < 0.95 * min(before[LEARN_FROM:])


@given(st.lists(st.dictionaries(st.text(), st.binary(max_size=40)), max_size=5))
def test_blocks_with_too_little_in_them_teach_nothing(few: list[dict[str, bytes]]):
    packer = Packer()
    for each in [*([{"u:1": b""}] * LEARN_FROM), *few]:
        assert packer.unpacked(packer.packed(each)) == each


def test_nothing_takes_no_block():
    assert Packer().packed({}) == b""
    assert Packer().unpacked(b"") == {}
