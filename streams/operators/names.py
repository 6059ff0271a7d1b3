"""names: different names that there ever were until the end of a period, by their weights.

The tally is that of a membership which no name ever leaves.
"""

from streams.operators import membership

ADDED = 0


class Tally(membership.Tally):
    """Cells: (ADDED, day of the first fact of a name, 0) -> its weight."""
