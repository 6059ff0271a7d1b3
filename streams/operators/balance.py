"""balance: what accounts stand at when a period ends, or how they went from its start to its end.

Additive over accounts, never over periods: an account contributes to every period from a change of
its state on, so contributions are spans, as those of active subjects are, with amounts for counts.
"""

from streams.values.tally import OneNumber

AMOUNT = 0


class Tally(OneNumber):
    """value = the sum over all accounts, or their number."""
