"""Who came when on each day: when there were many, whatever changed, and in whatever order."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.times import DAY_MS, parse_iso
from streams.calendar import Calendar
from streams.courses import AT_INSTANT
from streams.measures.day_entries import NO_ENTRIES, DayEntries, Entry
from tests.laws import law

CALENDAR = Calendar("UTC", "monday")
FIRST_MS = parse_iso("2026-03-01T00:00:00Z")
FIRST_DAY = CALENDAR.day(FIRST_MS)

entries_of_a_day = st.dictionaries(
    st.sampled_from("abcd"), st.sampled_from((0, 1, 500, DAY_MS - 1)), max_size=4
)
changes = st.lists(st.tuples(st.integers(0, 12), entries_of_a_day), min_size=1, max_size=12)


def of_day(day: int, came: dict[str, int]) -> tuple[Entry, ...]:
    start_ms = FIRST_MS + day * DAY_MS
    return tuple(sorted((start_ms + offset, name) for name, offset in came.items()))


def are_many(days: dict[int, tuple[Entry, ...]], n: int, width: int, ms: int) -> bool:
    """By the definition alone: different names from the start of a day on, up to an instant."""
    day = CALENDAR.day(ms)
    names = {
        name
        for each in range(day - width + 1, day + 1)
        for at_ms, name in days.get(each, ())
        if at_ms <= ms
    }
    return len(names) >= n


@law
@given(changes, st.integers(1, 3), st.integers(1, 4))
def test_a_course_is_what_its_definition_says_after_every_change(
    told: list[tuple[int, dict[str, int]]], n: int, width: int
) -> None:
    entries, days = NO_ENTRIES, dict[int, tuple[Entry, ...]]()
    for number, (day, came) in enumerate(told):
        now = of_day(day, came)
        if not now and FIRST_DAY + day not in days:
            continue
        days[FIRST_DAY + day] = now
        if not now:
            del days[FIRST_DAY + day]
        entries = entries.changed({FIRST_DAY + day: now})
        if number % 2:
            entries.course(n, width, CALENDAR)  # what it remembers is handed on
    course = entries.course(n, width, CALENDAR)

    borders = {FIRST_MS + day * DAY_MS for day in range(-2, 20)}
    instants = borders | {ms for day in days.values() for ms, _ in day}
    expected: list[tuple[int, int]] = []
    for ms in sorted(instants):
        if are_many(days, n, width, ms) != bool(len(expected) % 2):
            expected.append((ms, AT_INSTANT))
    assert course == tuple(expected)


def test_it_never_changes_itself() -> None:
    before = DayEntries({FIRST_DAY: of_day(0, {"a": 1})})
    course = before.course(1, 1, CALENDAR)
    after = before.changed({FIRST_DAY: (), FIRST_DAY + 5: of_day(5, {"b": 1})})

    assert before.course(1, 1, CALENDAR) == course
    assert after.course(1, 1, CALENDAR) != course
    assert after.days.keys() == {FIRST_DAY + 5}
