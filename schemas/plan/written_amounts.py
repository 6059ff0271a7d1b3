"""Amounts as people write them: where a number stands, and what currency it is in."""

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from schemas.plan.values import (
    Count,
    CurrencyCode,
    PropertyPath,
    did_you_mean,
    mistake,
    shown,
    surroundings,
)
from schemas.plan.written_form import Written, forms

RATE_MAX = Decimal(10**9)
RATE_DIGITS_MAX = 18


def _check_rate(rate: Any) -> str:
    """A rate as the text of a plain decimal number; what YAML read as a float is as written."""
    try:
        if isinstance(rate, bool) or not isinstance(rate, str | int | float):
            raise InvalidOperation
        number = Decimal(str(rate))
    except InvalidOperation:
        number = Decimal("NaN")
    plain = number.is_finite() and len(number.as_tuple().digits) <= RATE_DIGITS_MAX
    if not (plain and RATE_MAX**-1 <= number <= RATE_MAX):
        raise mistake(
            f"{shown(rate)} is no rate",
            'write how many units of the reporting currency one unit is worth, such as `"0.92"`',
        )
    return format(number.normalize(), "f")


Rate = Annotated[
    str,
    BeforeValidator(_check_rate),
    WithJsonSchema({"type": ["string", "number"], "exclusiveMinimum": 0}),
]


class WrittenCurrency(Written):
    """The currency that all amounts are stated in, and what others are worth in it."""

    reporting: CurrencyCode = Field(description="Code of the currency that values are stated in.")
    rates: dict[CurrencyCode, Rate] = Field(
        default_factory=dict,
        description="Code of another currency -> how many units of the reporting currency one unit "
        "of it is worth.",
    )

    @field_validator("rates")
    @classmethod
    def _are_of_others(cls, rates: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        reporting = info.data.get("reporting")
        if reporting in rates:
            raise mistake(f"{reporting} is the reporting currency", "leave its rate out")
        return rates


def _check_known(code: str, info: ValidationInfo) -> str:
    known = surroundings(info).currencies
    if known is not None and code not in known:
        raise mistake(
            f"the plan has no rate of {shown(code)}",
            did_you_mean(code, known) or f'add `{code}: "<rate>"` to `currency.rates`',
        )
    return code


def _has_currencies(value: Any, info: ValidationInfo) -> Any:
    if surroundings(info).currencies == ():
        raise mistake(
            f"`{info.field_name}` in a plan without currencies",
            'add the key `currency`, such as `currency: {reporting: EUR, rates: {USD: "0.92"}}`',
        )
    return value


KnownCurrency = Annotated[
    CurrencyCode, AfterValidator(_check_known), BeforeValidator(_has_currencies)
]


class WrittenCurrencyOf(Written):
    """A currency that stands in the event."""

    property: PropertyPath = Field(description="Path of the code; small letters do, too.")
    default: KnownCurrency | None = Field(
        default=None, description="Of events that name none; without it they are dead letters."
    )


CurrencyForm = Annotated[
    Annotated[KnownCurrency, Tag("<text>")]
    | Annotated[WrittenCurrencyOf, BeforeValidator(_has_currencies), Tag("<mapping>")],
    forms("a currency such as `USD`, or `{property: <path>, default: USD}`"),
]


class WrittenAmount(Written):
    """A number that stands in the event."""

    property: PropertyPath = Field(description="Path of the number.")
    scale: Count = Field(
        default=1, description="What it is multiplied by, such as 100 for cents; then rounded."
    )
    currency: CurrencyForm | None = Field(
        default=None,
        description="Currency of the amount: a code, or where the event names it; by default that "
        "of the input, or else the reporting currency.",
    )
    major: bool = Field(
        default=False,
        description="true: the number counts whole units of its currency, 12.34 euros or 1200 yen, "
        "not minor units.",
    )

    @field_validator("major")
    @classmethod
    def _needs_no_scale(cls, major: bool, info: ValidationInfo) -> bool:
        if major and info.data.get("scale", 1) != 1:
            raise mistake(
                "`major` and `scale` exclude each other",
                "leave `scale` out: each currency has its own minor unit",
            )
        if major:
            _has_currencies(major, info)
        return major

    def is_in_currency(self) -> bool:
        return self.currency is not None or self.major

    def is_plain(self) -> bool:
        """True if nothing but a path was written."""
        return not self.is_in_currency() and self.scale == 1


AmountForm = Annotated[
    Annotated[PropertyPath, Tag("<text>")] | Annotated[WrittenAmount, Tag("<mapping>")],
    forms("a path or `{property: <path>, scale: 100}`"),
]


class WrittenAttribute(WrittenAmount):
    """A further field that stands in the event; of money, in a currency."""


def _attribute_form(value: Any) -> str:
    return "<mapping>" if isinstance(value, dict) else "<value>"


AttributeForm = Annotated[
    Annotated[str | bool | int, Tag("<value>")] | Annotated[WrittenAttribute, Tag("<mapping>")],
    Discriminator(_attribute_form),
]
