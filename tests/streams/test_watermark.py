"""Where a stage stands, from what its sources say, and when it says so itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.batches import VERSION, Header
from schemas.times import HOUR_MS, SECOND_MS
from streams.watermark import ASIDE_MS, BROADCAST_EVERY_MS, Announcements, Sources
from tests.laws import law


def says(
    source: str, watermark_ms: int | None, idle_ms: int | None = None, first_ms: int | None = None
) -> Header:
    return Header(VERSION, "plan", source, watermark_ms, idle_ms, first_ms)


def stands_after(*headers: Header, expected: str = "ab") -> int | None:
    sources = Sources(expected)
    for header in headers:
        sources.hear(header)
    return sources.watermark_ms


@pytest.mark.parametrize(
    ("headers", "stands"),
    [
        ([], None),
        ([says("a", 5)], None),  # b was never heard
        ([says("a", 5), says("b", None)], None),  # b has read nothing yet
        ([says("a", 5), says("b", 3)], 3),
        ([says("a", 5), says("b", 3), says("b", 9)], 5),
        ([says("a", 5), says("b", 3), says("b", 2)], 3),  # no source goes back
        ([says("a", 5), says("b", 3), says("b", None)], 3),
        ([says("a", 5), says("b", 3, idle_ms=100)], 5),  # who is idle holds nobody back
        ([says("a", 5), says("b", None, idle_ms=100)], 5),
        ([says("a", 5, idle_ms=90), says("b", 3, idle_ms=100)], 90),  # all idle: by the clock
        ([says("a", 5, idle_ms=90), says("b", 3, idle_ms=100), says("b", 4)], 90),  # never falls
        ([says("a", 5), says("b", None, idle_ms=100), says("b", 7), says("a", 6)], 6),
        ([says("a", 5, idle_ms=ASIDE_MS), says("b", 3)], 3),  # who stepped aside holds nobody back
        ([says("a", 5), says("b", 3), says("b", 3, idle_ms=ASIDE_MS)], 5),
        # all have: at the newest of them, in whatever order, and whoever had nothing to say
        ([says("a", 5, idle_ms=ASIDE_MS), says("b", 3, idle_ms=ASIDE_MS)], 5),
        ([says("b", 3, idle_ms=ASIDE_MS), says("a", 5, idle_ms=ASIDE_MS)], 5),
        ([says("b", 3, idle_ms=ASIDE_MS), says("a", None, idle_ms=ASIDE_MS)], 3),
        ([says("a", None, idle_ms=ASIDE_MS), says("b", None, idle_ms=ASIDE_MS)], None),
        ([says("a", 5, idle_ms=ASIDE_MS), says("b", 3, idle_ms=90)], 90),  # who is live knows time
        ([says("a", 5), says("b", 3), says("gone", 1)], 3),  # nobody waits for a stranger
        ([says("gone", 1), says("a", 5), says("b", 4)], 4),
    ],
)
def test_a_stage_stands_at_the_smallest_of_its_busy_sources(
    headers: list[Header], stands: int | None
):
    assert stands_after(*headers) == stands


headers = st.builds(
    says,
    st.sampled_from("abc"),
    st.none() | st.integers(0, 50),
    st.none() | st.just(ASIDE_MS) | st.integers(0, 50),
    st.none() | st.integers(0, 50),
)


@law
@given(st.lists(headers, max_size=20))
def test_a_watermark_never_falls(headers: list[Header]):
    sources, stood = Sources("abc"), []
    for header in headers:
        sources.hear(header)
        stood.append(sources.watermark_ms)

    known = [ms for ms in stood if ms is not None]
    assert known == sorted(known)
    assert stood == [None] * (len(stood) - len(known)) + known


@law
@given(st.permutations([says(s, ms) for s in "abc" for ms in (None, 3, 10, 20)]))
def test_the_order_in_which_busy_sources_are_heard_does_not_matter(headers: list[Header]):
    assert stands_after(*headers, expected="abc") == 20


@law
@given(st.lists(headers, max_size=12))
def test_the_first_fact_is_the_earliest_that_any_source_has_seen(headers: list[Header]):
    sources = Sources("abc")
    for header in headers:
        sources.hear(header)

    firsts = (header.first_fact_ms for header in headers)
    assert sources.first_fact_ms == min((ms for ms in firsts if ms is not None), default=None)


def restored(sources: Sources, expected: str) -> Sources:
    found, table = Sources(expected), sources.take_unsaved()
    assert table is not None
    found.load(*table)
    return found


def test_after_a_restart_a_stage_stands_where_it_stood_and_goes_on():
    sources = Sources("ab")
    for header in (says("a", 5, first_ms=2), says("b", 3)):
        sources.hear(header)
    sources = restored(sources, "ab")

    assert (sources.watermark_ms, sources.first_fact_ms) == (3, 2)
    sources.hear(says("b", None))  # started again too, and has read nothing yet
    assert sources.watermark_ms == 3
    sources.hear(says("b", 4))
    assert sources.watermark_ms == 4


def test_after_a_restart_no_source_is_idle_until_it_says_so_again():
    sources = Sources("ab")
    sources.hear(says("a", 5))
    sources.hear(says("b", 3, idle_ms=100))
    sources = restored(sources, "ab")
    sources.hear(says("a", 50))
    assert sources.watermark_ms == 5

    sources.hear(says("b", None, idle_ms=200))
    assert sources.watermark_ms == 50


def test_after_a_restart_a_source_that_is_gone_holds_nobody_back_and_a_new_one_does():
    sources = Sources("ab")
    sources.hear(says("a", 5))
    sources.hear(says("b", 3))
    fewer, more = restored(sources, "a"), Sources("abc")
    fewer.hear(says("a", 50))
    assert fewer.watermark_ms == 50

    more.load([("a", 5, None), ("b", 3, None)], 3, None)
    more.hear(says("b", 9))
    assert more.watermark_ms == 3
    more.hear(says("c", 4))
    assert more.watermark_ms == 4


def test_the_table_of_sources_is_saved_when_something_was_heard():
    sources = Sources("a")
    assert sources.take_unsaved() is None
    sources.hear(says("a", 5))

    assert sources.take_unsaved() is not None
    assert sources.take_unsaved() is None


# ---- announcements

NOW_MS = 1_000_000 * SECOND_MS


def announcing(first: Header | None = None) -> Announcements:
    """Announcements that said something just now."""
    found = Announcements("plan", "a")
    assert found.due(first or found.header(5, 1), NOW_MS)
    return found


def test_a_source_that_knows_nothing_yet_says_nothing():
    announcements = Announcements("plan", "a")

    assert not announcements.due(announcements.header(None, None), NOW_MS)


@pytest.mark.parametrize(
    ("watermark_ms", "idle_ms", "first_ms", "after_ms", "urgent", "due"),
    [
        (5, None, 1, HOUR_MS, False, False),  # nothing new
        (6, None, 1, BROADCAST_EVERY_MS - 1, False, False),  # new, but a moment ago it spoke
        (6, None, 1, BROADCAST_EVERY_MS, False, True),
        (6, None, 1, 0, True, True),
        (5, None, 0, BROADCAST_EVERY_MS, False, True),  # an earlier fact
        (5, 90, 1, 0, False, True),  # idle now
        (6, None, 1, -HOUR_MS, False, True),  # the clock was set back
    ],
)
def test_what_is_new_is_said_once_a_second_and_idleness_at_once(
    watermark_ms: int, idle_ms: int | None, first_ms: int, after_ms: int, urgent: bool, due: bool
):
    announcements = announcing()
    header = announcements.header(watermark_ms, first_ms, idle_ms)

    assert announcements.due(header, NOW_MS + after_ms, urgent=urgent) is due


def test_an_idle_source_says_each_second_how_far_the_clock_has_come():
    announcements = announcing(says("a", 5, idle_ms=90))
    later = [NOW_MS + BROADCAST_EVERY_MS // 2, NOW_MS + BROADCAST_EVERY_MS]

    said = [announcements.due(says("a", 5, idle_ms=ms), ms) for ms in later]
    assert said == [False, True]


def test_a_source_that_is_busy_again_says_so_at_once():
    announcements = announcing(says("a", 5, idle_ms=90))

    assert announcements.due(says("a", 5), NOW_MS + 1)


def test_in_a_replay_nothing_waits_for_the_clock():
    announcements = Announcements("plan", "a", throttled=False)

    assert announcements.due(announcements.header(5, None), NOW_MS)
    assert announcements.due(announcements.header(6, None), NOW_MS)
