"""The dimensions by which KPIs are split, and their combinations, as people write them."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, WithJsonSchema, field_validator

from schemas.fact_kinds import CARRIES
from schemas.plan.models import TRAITS_PREFIX, AccountState, Dimension
from schemas.plan.values import (
    KindName,
    KpiId,
    PropertyPath,
    RecordPath,
    Text,
    check_traits_kept,
    did_you_mean,
    each_once,
    mistake,
    shown,
)
from schemas.plan.written_form import Written
from schemas.plan.written_rules import Kinds, kinds_of
from schemas.segments import (
    BOTH,
    IS_IN,
    IS_NOT_IN,
    NO_VALUE,
    OTHER,
    TOO_LONG,
    VALUE_CHARACTERS_MAX,
)

VALUES_MAX = 100
"""A dimension lists so many values at most."""
PAIRS_MAX = 400
"""A combination has so many pairs of listed values at most."""


def _check_trait(path: str, info: ValidationInfo) -> str:
    check_traits_kept(info)
    if path.startswith(TRAITS_PREFIX):
        raise mistake(
            f"{shown(path)} is a path of the event, not a trait",
            f"write `{path.removeprefix(TRAITS_PREFIX)}`",
        )
    return path


Trait = Annotated[RecordPath, AfterValidator(_check_trait)]


def _values_fit(values: list[str]) -> list[str]:
    if not values:
        raise mistake("no value is listed", "list some, or leave `values` out to take every value")
    for value, why in NOT_LISTED.items():
        if value in values:
            raise mistake(f"{shown(value)} is {why}", "leave it out")
    if any(len(value) > VALUE_CHARACTERS_MAX for value in values):
        raise mistake(f"a value has {VALUE_CHARACTERS_MAX} characters at most", "leave it out")
    if len(values) > VALUES_MAX:
        raise mistake(
            f"{len(values)} values are too many",
            f"list the {VALUES_MAX} that you will look at: the others count as `{OTHER}`",
        )
    return each_once(values)


NOT_LISTED = {
    OTHER: "what all values that are not listed count as",
    NO_VALUE: "there in any case",
    TOO_LONG: "no value",
}


class WrittenDimension(Written):
    """Where the value of a dimension is read: in the event, in what is known of the person or of
    the account, in the latest fact of the account; or whether one of the two is in a membership."""

    nullable = frozenset({"account_trait"})

    fact: KindName | None = Field(
        default=None, description="Kind of the account's fact whose latest one tells the value."
    )
    attribute: Text | None = Field(default=None, description="With `fact`: its attribute.")

    @field_validator("attribute")
    @classmethod
    def _goes_with_fact(cls, attribute: str, info: ValidationInfo) -> str:
        fact = info.data.get("fact", "mistaken")
        if fact is None:
            raise mistake("`attribute` without `fact`", "add `fact: <kind>`")
        known = CARRIES[fact].attributes if fact in CARRIES else (attribute,)
        if attribute not in known:
            raise mistake(
                f"{fact} facts have no attribute {shown(attribute)}",
                f"they may have {', '.join(known)}" if known else "choose another kind",
            )
        return attribute

    property: PropertyPath | None = Field(default=None, description="Path of the event's property.")
    trait: Trait | None = Field(default=None, description="Path of the person's trait.")
    member: KpiId | None = Field(
        default=None,
        description="A KPI that users, or accounts, can be in: the values are `yes` and `no`.",
    )

    account_trait: Trait | None = Field(
        default=None,
        validate_default=True,
        description="Path of a trait of the account, told by group calls.",
    )

    kinds: Kinds | None = Field(
        default=None,
        description="With `property`: only events that make such facts have the dimension. With "
        "the others: what is added up from such facts is split by it, too.",
    )

    values: Annotated[list[Text], AfterValidator(_values_fit)] | None = Field(
        default=None,
        description="The values that have a segment of their own; all others count as `other`.",
    )

    @field_validator("values")
    @classmethod
    def _are_not_known(cls, values: list[str] | None, info: ValidationInfo) -> list[str] | None:
        if values is not None and info.data.get("member"):
            raise mistake(
                f"a `member` has the values `{IS_IN}` and `{IS_NOT_IN}`", "leave `values` out"
            )
        return values

    @field_validator("account_trait")
    @classmethod
    def _is_one_of_five(cls, account_trait: str | None, info: ValidationInfo) -> str | None:
        others = ("fact", "property", "trait", "member")
        sources = {key: info.data.get(key, "mistaken") for key in others}
        given = [key for key, path in (*sources.items(), ("account_trait", account_trait)) if path]
        if not given:
            raise mistake(
                "a segment needs `property`, `trait`, `member`, `account_trait` or `fact`",
                "write `{property: <path>}`, `{trait: <path>}`, `{member: <KPI>}`, "
                "`{account_trait: <path>}` or `{fact: <kind>, attribute: ...}`",
                within="account_trait",
            )
        if len(given) > 1 and "mistaken" not in sources.values():
            one, other, *_ = given
            raise mistake(f"`{one}` and `{other}` exclude each other", within="account_trait")
        if given == ["fact"] and info.data.get("attribute", "mistaken") is None:
            raise mistake(
                "`fact` without `attribute`", "add `attribute: <name>`", within="account_trait"
            )
        return account_trait

    users: bool = Field(
        default=False,
        description="With `fact`, `account_trait` or a `member` that accounts are in: KPIs about "
        "users are split by it, too: by the account in which they do something.",
    )

    @field_validator("users")
    @classmethod
    def _goes_with_accounts(cls, users: bool, info: ValidationInfo) -> bool:
        given = next((key for key in ("property", "trait") if info.data.get(key)), None)
        if users and given is not None:
            raise mistake(
                f"`users` goes with what an account stands at: a `{given}` splits KPIs about users "
                "anyway",
                "leave it out",
            )
        return users

    def is_of_accounts(self) -> bool | None:
        """True if it is about what an account stands at; None of a membership, which may be one of
        users or of accounts.
        """
        if self.member is not None:
            return None
        return self.fact is not None or self.account_trait is not None

    def listed(self) -> list[str] | None:
        """All values that have a segment of their own; None: there is no bound."""
        return self.values if self.member is None else [IS_IN, IS_NOT_IN]


# ---- combinations


def _is_pair(names: list[str]) -> list[str]:
    if len(names) != 2:
        raise mistake(
            f"expected two dimensions, not {len(names)}", "write such as `[plan, country]`"
        )
    return names


Pair = Annotated[
    list[Text],
    AfterValidator(_is_pair),
    WithJsonSchema({"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2}),
]
"""Two dimensions of the plan."""


def check_combinations(pairs: list[list[str]], known: Mapping[str, WrittenDimension]) -> None:
    """Refuses pairs of dimensions that cannot be combined."""
    for number, pair in enumerate(pairs):
        for name in pair:
            if name not in known:
                listed = f"it has {', '.join(known)}" if known else "it has none"
                raise mistake(
                    f"the plan has no segment {shown(name)}", did_you_mean(name, known) or listed
                )
        one, other = pair
        if one == other:
            raise mistake(f"{shown(one)} is combined with itself", "name two different ones")
        if any({*pair} == {*before} for before in pairs[:number]):
            raise mistake(f"`{one}` and `{other}` are combined twice", "leave one out")
        _check_pair(one, known[one], other, known[other])


def not_split_by_both(state: str, other: str) -> tuple[str, str]:
    """Why what an account stands at does not go with what splits users, and what to do."""
    return (
        f"`{state}` is what an account stands at, and `{other}` is not: no KPI is split by both",
        "combine two of accounts (`fact`, `account_trait`, a `member` of theirs), or two others",
    )


def _check_pair(one: str, first: WrittenDimension, other: str, second: WrittenDimension) -> None:
    of_accounts = {each.is_of_accounts() for each in (first, second)}
    if of_accounts == {True, False}:
        state, person = (one, other) if first.is_of_accounts() else (other, one)
        raise mistake(*not_split_by_both(state, person))
    size = 1
    for name, source in ((one, first), (other, second)):
        values = source.listed()
        if values is None:
            raise mistake(
                f"`{name}` has no bound: a combination has a segment for each pair of values",
                f"list the `values` of `{name}` that you will look at",
            )
        odd = next((value for value in values if BOTH in value), None)
        if odd is not None:
            raise mistake(
                f"{shown(odd)} of `{name}` has a `{BOTH}`, which stands between two values",
                f"leave it out of `values`, so that it counts as `{OTHER}`",
            )
        size *= len(values)
    if size > PAIRS_MAX:
        raise mistake(
            f"`{one}` and `{other}` make {size} pairs of values",
            f"at most {PAIRS_MAX} are allowed: list fewer values",
        )


# ---- the normal form


def dimensions(
    written: Mapping[str, WrittenDimension], pairs: list[list[str]]
) -> tuple[Dimension, ...]:
    """The dimensions of a plan that was checked; combinations come last."""
    return (
        *(
            Dimension(
                name=name,
                property=source.property,
                trait=source.trait,
                member=source.member,
                state=_account_state(source),
                account_trait=source.account_trait,
                users=source.users,
                kinds=None if source.kinds is None else tuple(kinds_of(source.kinds)),  # type: ignore[arg-type]
                values=None if source.values is None else tuple(source.values),
            )
            for name, source in written.items()
        ),
        *(Dimension(name=BOTH.join(pair), of=(pair[0], pair[1])) for pair in pairs),
    )


def _account_state(source: WrittenDimension) -> AccountState | None:
    if source.fact is None or source.attribute is None:
        return None
    return AccountState(fact=source.fact, attribute=source.attribute)  # type: ignore[arg-type]
