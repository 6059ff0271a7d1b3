"""Message ids that were seen: for how long, how many, and over restarts."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.times import DAY_MS, HOUR_MS
from streams.accounts.duplicates import SeenIds
from tests.laws import law

T = 1000 * DAY_MS


def restarted(seen: SeenIds, saved: dict[tuple[int, int], bytes], **made) -> SeenIds:
    """Saves what changed, and makes it anew from all that was ever saved."""
    for place, content in seen.take_unsaved():
        if content is None:
            del saved[place]
        else:
            saved[place] = content
    found = SeenIds(**made)
    for (hour, number), packed in saved.items():
        found.load(hour, number, packed)
    return found


def test_an_id_is_new_once():
    seen = SeenIds(None)

    assert [seen.add(id, T) for id in ("m1", "m2", "m1", "m1")] == [True, True, False, False]
    assert seen.size == 2


@pytest.mark.parametrize(
    ("time_ms", "new"), [(T, False), (T + HOUR_MS - 1, False), (T + HOUR_MS, True), (T - 1, True)]
)
def test_an_id_is_known_in_its_hour_of_event_time_only(time_ms: int, new: bool):
    seen = SeenIds(None)
    seen.add("m1", T)

    assert seen.add("m1", time_ms) is new


def test_hours_behind_the_window_are_forgotten():
    seen = SeenIds(DAY_MS)
    seen.add("m1", T)
    seen.expire(T + DAY_MS + HOUR_MS - 1)
    assert not seen.add("m1", T)

    seen.expire(T + DAY_MS + HOUR_MS)
    assert seen.size == 0
    assert seen.add("m1", T)


def test_without_a_window_or_a_watermark_nothing_is_too_old():
    unbounded, waiting = SeenIds(None), SeenIds(DAY_MS)
    for seen in (unbounded, waiting):
        seen.add("m1", T)
    unbounded.expire(T + 1000 * DAY_MS)
    waiting.expire(None)

    assert not unbounded.add("m1", T)
    assert not waiting.add("m1", T)


def test_of_too_many_ids_the_oldest_hour_goes_first():
    seen = SeenIds(None, ids_max=3)
    for number in range(5):
        seen.add(f"m{number}", T + number * HOUR_MS)
    seen.expire(T)

    assert (seen.size, seen.forgotten) == (3, 2)
    news = [seen.add(f"m{number}", T + number * HOUR_MS) for number in range(5)]
    assert news == [True, True, False, False, False]


def test_of_one_hour_with_too_many_ids_the_oldest_go_first():
    seen = SeenIds(None, ids_max=1000)
    saved: dict[tuple[int, int], bytes] = {}
    for number in range(5000):
        assert seen.add(f"m{number}", T)
        if number % 100 == 99:
            seen.expire(T)
            saved |= dict(seen.take_unsaved())

    assert seen.size <= 1000 + 100
    assert seen.forgotten == 5000 - seen.size
    for known in (seen, restarted(seen, {k: v for k, v in saved.items() if v}, window_ms=None)):
        assert not any(known.add(f"m{number}", T) for number in range(4500, 5000))
        assert known.add("m0", T)


def test_hours_that_are_over_know_their_ids_and_take_late_ones():
    seen = SeenIds(None)
    for number in range(1000):
        assert seen.add(f"m{number}", T + number % 3 * HOUR_MS)
    for late in (range(1000, 1010), range(1010, 2000), range(2000, 2001)):
        seen.expire(T + DAY_MS)
        list(seen.take_unsaved())
        assert all(seen.add(f"m{number}", T + number % 3 * HOUR_MS) for number in late)

    assert seen.size == 2001
    assert not any(seen.add(f"m{number}", T + number % 3 * HOUR_MS) for number in range(2001))


def test_an_id_of_an_hour_that_is_over_takes_ten_bytes_at_most():
    tracemalloc.start()
    seen = SeenIds(None)
    for number in range(4000):
        seen.add(f"m{number}", T + number // 2000 * HOUR_MS)
    seen.expire(T + DAY_MS)
    list(seen.take_unsaved())
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert seen.size == 4000
    assert held < 10 * seen.size


def test_what_was_saved_is_not_saved_again():
    seen = SeenIds(None)
    seen.add("m1", T)
    assert len(list(seen.take_unsaved())) == 1
    assert list(seen.take_unsaved()) == []

    seen.add("m2", T)
    ((_, number), _), *more = seen.take_unsaved()
    assert (number, more) == (1, [])


@law
@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcdef"), st.integers(0, 5), st.sampled_from(("go on", "restart"))
        ),
        max_size=30,
    )
)
def test_a_restart_changes_no_answer(steps: list[tuple[str, int, str]]):
    made = {"window_ms": 2 * HOUR_MS, "ids_max": 8}
    plain, stopped = SeenIds(**made), SeenIds(**made)
    saved: dict[tuple[int, int], bytes] = {}
    newest = 0
    for id, hour, then in steps:
        time_ms = T + hour * HOUR_MS
        assert stopped.add(id, time_ms) == plain.add(id, time_ms)
        newest = max(newest, time_ms)
        if then == "restart":
            plain.expire(newest)
            stopped.expire(newest)
            stopped = restarted(stopped, saved, **made)
        assert stopped.size == plain.size
