"""Amounts of events as whole numbers: scaled, or converted at the fixed rates of the plan.

An amount is exact until it is rounded once, half to even, to minor units of the reporting currency.
"""

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any, TypeGuard

from schemas.currencies import digits_of
from schemas.events import Rejected
from schemas.plan.models import Amount, Currency
from schemas.properties import MISSING, NOT_SCALAR

VALUE_MAX = 10**12
"""A value beyond is none: the sum of a day of nine million such values fits into 64 bits."""
NUMBER_MAX = 10**18
"""Beyond it no number of an event is an amount in any currency."""
AmountOf = Callable[[Iterator[Any]], int | None]
"""Takes what stands at the paths of an amount; None: that is no number."""


class Unconvertible(Exception):
    """An event has an amount in no currency that the plan knows; nothing of it may count."""

    def __init__(self, rejected: Rejected) -> None:
        super().__init__(rejected.reason)
        self.rejected = rejected


def paths_of(amount: Amount) -> list[str]:
    """Where the number stands, and its currency if the event names it."""
    return [amount.path] + ([] if amount.currency_path is None else [amount.currency_path])


def amount_of(amount: Amount, currency: Currency | None) -> AmountOf:
    """How an amount is read. `currency`: of the plan."""
    if not amount.is_converted:
        return lambda told: _scaled(next(told), amount.scale)
    assert currency is not None, "a plan without it has no amounts in currencies"
    factors = _factors(amount, currency)

    def converted(told: Iterator[Any]) -> int | None:
        value = next(told)
        named = None if amount.currency_path is None else next(told)
        if not _is_number(value) or not abs(value) <= NUMBER_MAX:
            return None
        found = round(Fraction(str(value)) * _factor(amount, factors, named))
        return found if abs(found) <= VALUE_MAX else None

    return converted


def _factors(amount: Amount, currency: Currency) -> dict[str, Fraction]:
    """Currency -> what a number in it is multiplied by."""
    rates = {**currency.rates, currency.reporting: "1"}
    reporting = 10 ** digits_of(currency.reporting)
    return {
        code: Fraction(rate)
        * (reporting if amount.major else Fraction(reporting, 10 ** digits_of(code)) * amount.scale)
        for code, rate in rates.items()
    }


def _factor(amount: Amount, factors: Mapping[str, Fraction], named: Any) -> Fraction:
    """`named`: what stands where the event names a currency."""
    if named is None or named is MISSING or named == "":
        if amount.currency is not None:
            return factors[amount.currency]
        raise Unconvertible(
            Rejected(
                "missing_currency",
                f"There is no currency at {amount.currency_path} for the amount at {amount.path}; "
                "send one, or give the plan a `default`.",
            )
        )
    factor = factors.get(named.strip().upper()) if isinstance(named, str) else None
    if factor is None:
        found = "an object or an array" if named is NOT_SCALAR else repr(named)[:40]
        raise Unconvertible(
            Rejected(
                "unknown_currency",
                f"The currency at {amount.currency_path} is {found}, for which the plan has no "
                "rate; send a code of ISO 4217, or add it to currency.rates.",
            )
        )
    return factor


def _scaled(value: Any, scale: int) -> int | None:
    """The whole number that a value is; None if it is no number, or one beyond all bounds."""
    if not _is_number(value):
        return None
    if not abs(value) * scale <= VALUE_MAX:  # so for a NaN, too
        return None
    return round(value * scale)


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
