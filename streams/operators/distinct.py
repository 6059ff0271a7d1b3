"""distinct: how many subjects satisfy a condition in a period."""

from schemas.conditions import Condition
from schemas.row_forms.people import DistinctRow
from streams.values.tally import OneNumber


def conditions(row: DistinctRow) -> tuple[Condition, ...]:
    """One span: the subject counts in every period that satisfies the condition."""
    return (row.when,)


class Tally(OneNumber):
    """value = number of subjects."""
