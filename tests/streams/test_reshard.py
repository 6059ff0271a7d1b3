"""State in another number of partitions lies where its keys are looked for."""

import pytest

from schemas.keys import partition_of
from streams.reshard import State, moves, resharded
from streams.state_keys import (
    BOOK,
    MEMBER,
    PARTITION,
    SEEN,
    read_key,
    read_value,
    state_key,
    state_value,
)

OLD = 4


def accounts(*, watermarks_ms: list[int | None]) -> list[State]:
    """Members with and without an account, and ids seen, in OLD partitions."""
    states: list[State] = [{} for _ in range(OLD)]
    for number in range(60):
        account, leaf = f"a:{number}" if number % 3 else "", f"u:{number}"
        home = states[partition_of(account or leaf, OLD)]
        home[state_key(MEMBER, account, leaf)] = state_value(number)
        home[state_key(BOOK, account, "dau", "", "all", "tally", 0)] = state_value(number)
    for partition, state in enumerate(states):
        state[state_key(SEEN, 7, 0)] = state_value(f"ids {partition}")
        state[state_key(SEEN, 7, 1)] = state_value(f"more {partition}")
        heard = [("in:0", watermarks_ms[partition], None), ("in:1", 5, 9)]
        state[state_key(PARTITION)] = state_value((heard, watermarks_ms[partition], partition))
    return states


@pytest.mark.parametrize("count", [5, 6, 8])
def test_every_record_lies_where_its_key_is_looked_for_and_none_is_lost(count: int) -> None:
    old = accounts(watermarks_ms=[1, 2, 3, 4])
    new = resharded("accounts", old, count)
    found = 0
    for partition, state in enumerate(new):
        for key, value in state.items():
            what, place = read_key(key)
            if what == MEMBER:
                account, leaf = place
                assert partition_of(account or leaf, count) == partition
                assert value in [each.get(key) for each in old]
                found += 1
    assert found == 60


@pytest.mark.parametrize(("count", "each"), [(5, 4), (6, 2), (8, 1)])
def test_ids_go_wherever_a_key_that_sent_them_may_be(count: int, each: int) -> None:
    old = accounts(watermarks_ms=[1, 2, 3, 4])
    new = resharded("accounts", old, count)
    for number in range(200):
        before, after = partition_of(f"a:{number}", OLD), partition_of(f"a:{number}", count)
        seen = [read_value(v) for k, v in new[after].items() if read_key(k)[0] == SEEN]
        assert {f"ids {before}", f"more {before}"} <= {*seen}
        assert len(seen) == 2 * each


def test_a_source_stands_where_its_latest_word_was_and_the_earliest_fact_is_that_of_all() -> None:
    new = resharded("accounts", accounts(watermarks_ms=[1, None, 3, 2]), 6)
    tables = [read_value(state[state_key(PARTITION)]) for state in new]
    assert tables == [[[["in:0", 3, None], ["in:1", 5, None]], 3, 0]] * 6


def test_only_what_moves_is_written() -> None:
    old = accounts(watermarks_ms=[1, 1, 1, 1])
    new = resharded("accounts", old, 8)
    written = dict(moves(old[0], new[0]))
    for key, value in old[0].items():
        if read_key(key)[0] == MEMBER:
            stays = key in new[0]
            assert (key in written) == (not stays)
            assert written.get(key) is None
            assert value is not None
    assert moves(old[0], old[0]) == []
