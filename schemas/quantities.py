"""What scores and predictions are made of: whole numbers of what a subject did in a period."""

from schemas.selectors import FactSelector, Strict


class _Quantity(Strict):
    before: bool = False
    """True: in the period of the same length that ends where the period starts."""


class DifferentNames(_Quantity):
    """How many different names such facts have."""

    names: FactSelector


class DaysWith(_Quantity):
    """On how many days there are such facts."""

    days: FactSelector


class FactsDone(_Quantity):
    """How many such facts there are; each of them, whatever its value."""

    facts: FactSelector


Quantity = DifferentNames | DaysWith | FactsDone


class UsersWith(_Quantity):
    """How many users have such facts."""

    users: FactSelector


Feature = Quantity | UsersWith
"""Of an account, by what all its members did."""
