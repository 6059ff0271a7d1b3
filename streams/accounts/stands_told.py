"""What an account stands at, and that its users know of it: where KPIs about users are split by it.

A person counts once over all accounts, so what it did is split where it is one person: in users.
An account tells each of its users from which day on it has been in which segment, by facts that
replace what it told before. What a member was told is part of its state, and only the difference is
told.
"""

from collections.abc import Iterator

from schemas.plan.models import Plan
from streams.accounts.entitlements import News
from streams.calendar import Calendar
from streams.day_segments import is_split, last_day
from streams.measures.account_stands import NOTHING_TOLD, AccountStands, StandsByDay
from streams.measures.of_subjects import Values
from streams.parts.states import NO_DIMENSIONS, dimensions_of, states_by_day
from streams.program import SubjectProgram


class StandsTold:
    """What the accounts of a plan tell of themselves, for the dimensions that ask for it."""

    def __init__(self, plan: Plan, calendar: Calendar, everywhere: SubjectProgram) -> None:
        """`everywhere`: the rows about users, over the measures of a member, to which this adds
        what it needs.
        """
        self._calendar, self._told = calendar, everywhere.stands
        measures, dimensions = everywhere.measures, NO_DIMENSIONS
        if self._told is not None:
            dimensions = dimensions_of(plan, measures)
        self._dimensions = dimensions.among({each.name for each in plan.segments if each.users})
        self._measures = measures.all
        self._split = [slot for slot in sorted(everywhere.slots) if is_split(self._measures[slot])]
        self.slots = self._dimensions.slots
        """Measures of all members together that this reads."""
        self.slots_of = {
            id: self.slots for id, slots in everywhere.slots_of.items() if self._told in slots
        }
        """The same by the rows for which it does."""

    def __bool__(self) -> bool:
        return self._told is not None

    def changed_from(self, old: Values, new: Values) -> int | None:
        """The first local day from which on an account stands elsewhere, by the measures of all
        members, than before; None: it does not.
        """
        if all(old[slot] is new[slot] for slot in self.slots):
            return None
        was, now = self.stands(old), self.stands(new)
        return min(
            (
                day
                for name, days in now.items()
                for day in days.keys() | was[name].keys()
                if days.get(day) != was[name].get(day)
            ),
            default=None,
        )

    def last_day(self, member: Values) -> int | None:
        """The last local day on which a member did something that is split; None: never."""
        measures, calendar = self._measures, self._calendar
        days = (last_day(measures[slot], member[slot], calendar) for slot in self._split)
        return max((day for day in days if day is not None), default=None)

    def stands(self, together: Values) -> StandsByDay:
        """Where an account stands at the end of each day on which that changed."""
        courses = states_by_day(self._dimensions, together, self._calendar)
        return {
            name: dict(zip(course.days, course.segments[1:], strict=True))
            for name, course in courses.items()
        }

    def news(
        self, account: str, stands: StandsByDay, member: Values, today: int | None
    ) -> Iterator[News]:
        """What a member of an account that stands so has to be told; nothing, if it has done
        nothing that is split.

        `today`: what begins after it, as time alone brings it, a member is told once it acts then.
        """
        last = None if self._told is None else self.last_day(member)
        if self._told is None or last is None:
            return
        until = last if today is None else max(last, today)
        told: StandsByDay = (member[self._told] or {}).get(account, NOTHING_TOLD)
        for name, days in stands.items():
            known = told.get(name, {})
            for day in sorted(days.keys() | known.keys()):
                if day <= until and days.get(day) != known.get(day):
                    segment, holds = (days[day], 1) if day in days else (known[day], 0)
                    ms = self._calendar.day_start_ms(day)
                    yield News(AccountStands.fact(segment), ms, holds)
