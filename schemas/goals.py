"""Goals: what a subject reaches after its anchor."""

from schemas.selectors import FactSelector, Strict


class ReachesFact(Strict):
    first: FactSelector


EVERY = "every"


class ReachesNames(Strict):
    """So many different names of a kind; `every`: all that the selector lists."""

    names: FactSelector
    at_least: int | str


class ActiveOnDay(Strict):
    """Active on the n-th local day after the anchor's, n being the variant."""

    active_on: FactSelector


class LatestInTime(Strict):
    """The latest such fact from the anchor on, while there is time, has a value above that; who has
    none with a value takes no part.
    """

    latest: FactSelector
    above: int


class Rises(Strict):
    """Such a fact whose value is above that of the one before it; above 0, if it is the first."""

    rises: FactSelector


class StandsAt(Strict):
    """So many days after the anchor (before it, where below 0), the value of the latest such fact
    until then; 0 where there is none.
    """

    stands: FactSelector
    days: int
    above: int | None = None
    at_most: int | None = None


class InOrder(Strict):
    """The names that the selector lists, one after the other: each is met by the first such fact
    that is not before the one of the name before it. The variants are `step=<name>`, of those who
    reached the step before it; without a variant stands the lowest of them.
    """

    in_order: FactSelector


Goal = ReachesFact | ReachesNames | ActiveOnDay | LatestInTime | Rises | StandsAt | InOrder


class DoneBy(Strict):
    """Each of these names was met before so many days after the anchor, or before the anchor; any,
    where the selector lists none."""

    names: FactSelector
    days: int
    done: bool = True
    """False: some of them were not."""


Given = StandsAt | DoneBy
"""What has to hold of a subject for it to take part."""
