"""Records that are compressed together are the same as if each lay by itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.cold import (
    KEYS_PER_CHUNK,
    PER_BLOCK,
    ColdKeys,
    ColdRecords,
    cold_group,
    is_in,
    records_of,
    size_of,
)

KEYS_60 = [f"u:{n}" for n in range(60)]
KEYS = st.sampled_from(KEYS_60)
CHANGES = st.one_of(
    st.tuples(st.just("add"), st.dictionaries(KEYS, st.binary(max_size=20), max_size=40)),
    st.tuples(st.sampled_from(("take", "discard")), KEYS),
)


def many(n: int) -> dict[str, bytes]:
    return {f"u:{number}": b"what there is of %d" % number for number in range(n)}


@given(st.lists(CHANGES))
def test_records_are_those_of_a_dictionary(changes: list[tuple[str, dict[str, bytes] | str]]):
    cold, expected = ColdRecords(), dict[str, bytes]()
    for what, of in changes:
        if isinstance(of, dict):
            cold.add(of)
            expected.update(of)
        elif what == "take":
            assert cold.take(of) == expected.pop(of, None)
        else:
            cold.discard(of)
            expected.pop(of, None)
        assert dict(cold.items()) == expected
        assert len(cold) == len(expected)
        for key in ("u:0", "u:1"):
            assert cold.get(key) == expected.get(key)
            assert (key in cold) == (key in expected)


def test_an_empty_record_is_one():
    cold = ColdRecords()
    cold.add({"u:1": b""})
    assert "u:1" in cold


def test_blocks_become_more_as_records_do_and_none_becomes_large():
    cold = ColdRecords()
    for key, record in many(2000).items():
        cold.add({key: record})
    sizes = cold.sizes()
    assert sum(sizes) == 2000
    assert len(sizes) >= 2000 // PER_BLOCK
    assert max(sizes) < 5 * PER_BLOCK


def test_ids_that_were_made_to_lie_in_one_block_are_found(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("streams.cold._hash", lambda key: 0)
    cold = ColdRecords()
    for records in (many(255), many(300)):
        cold.add(records)
        assert dict(cold.items()) == records
        assert [cold.get(key) for key in records] == [*records.values()]


def test_many_at_once_lie_as_those_that_came_one_by_one():
    one_by_one, at_once = ColdRecords(), ColdRecords()
    for key, record in many(500).items():
        one_by_one.add({key: record})
    at_once.add(many(500))
    assert one_by_one.sizes() == at_once.sizes()


def test_nothing_is_left_of_a_record_that_is_discarded_after_it_was_taken():
    cold = ColdRecords()
    cold.add(many(3))
    cold.take("u:1")
    assert sum(cold.sizes()) == 3
    cold.discard("u:1")
    assert sum(cold.sizes()) == 2


@given(st.dictionaries(KEYS, st.binary(max_size=20)))
def test_a_group_keeps_its_records_in_order(records: dict[str, bytes]):
    group = cold_group(records)
    assert list(records_of(group).items()) == list(records.items())
    assert size_of(group) == len(records)
    assert [key for key in KEYS_60 if is_in(group, key)] == [k for k in KEYS_60 if k in records]


@given(st.integers(0, 3 * KEYS_PER_CHUNK), st.booleans())
def test_keys_come_back_in_order(n: int, in_pairs: bool):
    names = list(many(n))
    if in_pairs:
        pairs = ColdKeys[tuple[str, str]]()
        for name in names:
            pairs.append(("a:1", name))
        assert list(pairs) == [("a:1", name) for name in names]
    else:
        keys = ColdKeys[str]()
        for name in names:
            keys.append(name)
        assert list(keys) == names
