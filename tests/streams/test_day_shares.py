"""Who made most facts and then fell silent, whatever changed, and in whatever order."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.times import parse_iso
from streams.calendar import Calendar
from streams.courses import AT_DAY_END
from streams.measures.day_shares import NO_SHARES, NOBODY, DayShares, Leading
from tests.laws import law

CALENDAR = Calendar("UTC", "monday")
FIRST_DAY = CALENDAR.day(parse_iso("2026-03-01T00:00:00Z"))

numbers_of_a_day = st.dictionaries(
    st.sampled_from(("u:a", "u:b", "u:c", NOBODY)), st.integers(0, 3), max_size=4
)
changes = st.lists(st.tuples(st.integers(0, 12), numbers_of_a_day), min_size=1, max_size=12)
leading = st.builds(Leading, st.integers(1, 4), st.sampled_from((1, 40, 50, 60)), st.integers(1, 3))


def is_silent(days: dict[int, dict[str, int]], of: Leading, day: int) -> bool:
    """By the definition alone, at the end of a day."""

    def made(user: str, first: int, last: int) -> int:
        return sum(days.get(each, {}).get(user, 0) for each in range(first, last + 1))

    users = sorted({user for numbers in days.values() for user in numbers})
    last = day - of.silent_days
    before = {user: made(user, last - of.of_days + 1, last) for user in users}
    most = max((n for user, n in before.items() if user != NOBODY), default=0)
    if not most or 100 * most < of.percent * sum(before.values()):
        return False
    leader = next(user for user in users if user != NOBODY and before[user] == most)
    return not made(leader, last + 1, day)


@law
@given(changes, leading)
def test_a_course_is_what_its_definition_says_after_every_change(
    told: list[tuple[int, dict[str, int]]], of: Leading
) -> None:
    shares, days = NO_SHARES, dict[int, dict[str, int]]()
    for number, (day, numbers) in enumerate(told):
        days[FIRST_DAY + day] = {**days.get(FIRST_DAY + day, {}), **numbers}
        shares = shares.changed({FIRST_DAY + day: numbers})
        if number % 2:
            shares.course(of, CALENDAR)  # what it remembers is handed on
    expected: list[tuple[int, int]] = []
    for day in range(FIRST_DAY - 1, FIRST_DAY + 25):
        if is_silent(days, of, day) != bool(len(expected) % 2):
            expected.append((CALENDAR.day_start_ms(day + 1), AT_DAY_END))
    assert shares.course(of, CALENDAR) == tuple(expected)


def test_it_never_changes_itself() -> None:
    of = Leading(4, 50, 1)
    before = DayShares({FIRST_DAY: {"u:a": 2}})
    course = before.course(of, CALENDAR)
    after = before.changed({FIRST_DAY: {"u:a": 0}, FIRST_DAY + 5: {"u:b": 1}})

    assert before.course(of, CALENDAR) == course
    assert after.course(of, CALENDAR) != course
    assert after.days == {FIRST_DAY + 5: {"u:b": 1}}
