"""What events mean, as people write it: conditions, selectors, activation, the general form.

Descriptions here become the JSON Schema that editors show. Checks of one entry are field
validators, never model validators, so that a mistake in one key hides no mistake in another.
written.py has the rest of the file.
"""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    field_validator,
)

from schemas.fact_kinds import (
    CARRIES,
    FACT_KINDS,
    NAMED_KINDS,
    THING_KINDS,
    VALUED_KINDS,
    carries_money,
)
from schemas.plan.conditions import is_pattern
from schemas.plan.values import (
    Count,
    Days,
    KindName,
    OrderedValue,
    Path,
    PropertyPath,
    ScalarValue,
    TaskName,
    Text,
    each_once,
    mistake,
)
from schemas.plan.written_amounts import AmountForm, AttributeForm, WrittenAmount, WrittenAttribute
from schemas.plan.written_form import Written, forms

# ---- conditions


class WrittenOperators(Written):
    """Tests of one value, which hold together."""

    nullable = frozenset({"equals", "not_equals"})

    equals: ScalarValue = Field(
        default=None,
        description="The same JSON value: 1 is 1.0, but neither true nor a 1 in quotes.",
    )
    not_equals: ScalarValue = Field(default=None, description="Another value, or none at all.")
    in_: Annotated[list[ScalarValue], Field(min_length=1)] | None = Field(
        default=None, alias="in", description="The same value as one of these."
    )
    not_in: Annotated[list[ScalarValue], Field(min_length=1)] | None = Field(
        default=None, description="None of these values, or no value at all."
    )
    gt: OrderedValue = Field(default=None, description="Greater than this number (or text).")
    ge: OrderedValue = Field(
        default=None, description="Greater than or equal to this number (or text)."
    )
    lt: OrderedValue = Field(default=None, description="Less than this number (or text).")
    le: OrderedValue = Field(
        default=None, description="Less than or equal to this number (or text)."
    )
    matches: Text | None = Field(
        default=None, description="A text that fits whole: * is any text, ? one character."
    )
    exists: bool | None = Field(default=None, description="Whether there is a value at all.")

    def operators(self) -> list[tuple[str, Any]]:
        """The operators that were written, with their operands, in this model's order."""
        return [
            (field.alias or name, getattr(self, name))
            for name, field in WrittenOperators.model_fields.items()
            if name in self.model_fields_set
        ]


class WrittenCondition(WrittenOperators):
    """Tests of the value at a path."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})


def _has_operators(test: Any) -> Any:
    if not test.operators():
        raise mistake("a test without an operator", "write `exists: true` for any value")
    return test


def _condition_form(value: Any) -> str:
    return "<mapping>" if isinstance(value, dict) else "<value>"


ConditionForm = Annotated[
    Annotated[ScalarValue, Tag("<value>")]
    | Annotated[WrittenCondition, AfterValidator(_has_operators), Tag("<mapping>")],
    Discriminator(_condition_form),
]
"""A scalar stands for `equals`."""


# ---- selectors

EventPattern = Annotated[
    Text, Field(description="Name of a track event; * is any text, ? one character.")
]
PagePattern = Annotated[Text, Field(description="Name of a page, patterns as for events.")]
ScreenPattern = Annotated[Text, Field(description="Name of a screen, patterns as for events.")]
Where = Annotated[
    dict[Path, ConditionForm],
    Field(
        description="Path -> condition; all must hold. A path is dotted and leads into properties,"
        " after `traits.` into traits. Without a name: any track, page or screen."
    ),
]

TraitPath = Annotated[
    PropertyPath,
    Field(
        description="Identify calls that tell this trait. A fact is named by it unless it has "
        "another name, and what it carries stands among the traits."
    ),
]
_NAME_KEYS = ("event", "page", "screen", "trait")


class _Selecting(Written):
    """The checks of what selects events; subclasses declare names before `where`."""

    @field_validator("page", "screen", "trait", check_fields=False)
    @classmethod
    def _has_one_name(cls, name: str, info: ValidationInfo) -> str:
        other = _given(info, _NAME_KEYS)
        if other is not None:
            raise mistake(
                f"`{other}` and `{info.field_name}` exclude each other",
                "make it a list of two selectors",
            )
        return name

    @field_validator("where", check_fields=False)
    @classmethod
    def _selects_something(cls, where: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        ways = [key for key in (*_NAME_KEYS, "any_of", "all_of") if key in cls.model_fields]
        if not where and all(info.data.get(key, "mistaken") is None for key in ways):
            raise mistake(
                "a selector without `event`, `page`, `screen` or `where`",
                'write `event: "*"` for every track event',
                within="where",
            )
        return where


def _given(info: ValidationInfo, keys: Iterable[str]) -> str | None:
    """The first of these fields, among those checked so far, that has a value."""
    return next((key for key in keys if info.data.get(key) is not None), None)


class WrittenSelector(_Selecting):
    """The events of one type and name that meet every condition."""

    event: EventPattern | None = None
    page: PagePattern | None = None
    screen: ScreenPattern | None = None
    trait: TraitPath | None = None
    where: Where = Field(default_factory=dict, validate_default=True)


Selectable = Annotated[
    Annotated[Text, Tag("<text>")] | Annotated[WrittenSelector, Tag("<mapping>")],
    forms("an event name or a mapping such as `{event: ..., where: {...}}`"),
]
Selectors = Annotated[
    Annotated[Text, Tag("<text>")]
    | Annotated[WrittenSelector, Tag("<mapping>")]
    | Annotated[list[Selectable], Field(min_length=1), Tag("<list>")],
    forms("an event name, a mapping such as `{event: ...}`, or a list of these"),
]


class WrittenSession(WrittenSelector):
    """The events that start a session."""

    value: PropertyPath | None = Field(
        default=None, description="Path of a number: how long the session was, in milliseconds."
    )


SessionForm = Annotated[
    Annotated[Text, Tag("<text>")] | Annotated[WrittenSession, Tag("<mapping>")],
    forms("an event name or a mapping such as `{event: ..., value: durationMs}`"),
]
Sessions = Annotated[
    Annotated[Text, Tag("<text>")]
    | Annotated[WrittenSession, Tag("<mapping>")]
    | Annotated[list[SessionForm], Field(min_length=1), Tag("<list>")],
    forms("an event name, a mapping such as `{event: ..., value: ...}`, or a list of these"),
]

Tasks = Annotated[list[TaskName], AfterValidator(each_once)]


class WrittenActivation(_Selecting):
    """When a user counts as activated: by one event, by several, on several days, by tasks."""

    event: EventPattern | None = None
    page: PagePattern | None = None
    screen: ScreenPattern | None = None
    trait: TraitPath | None = None
    any_of: Annotated[list[Selectable], Field(min_length=1)] | None = Field(
        default=None, description="Several selectors, whose events count together."
    )
    all_of: Annotated[Tasks, Field(min_length=1)] | None = Field(
        default=None, description="Activated once each of these key tasks was done."
    )
    where: Where = Field(default_factory=dict, validate_default=True)
    times: Count | None = Field(default=None, description="Activated by the n-th such event.")
    distinct_days: Count | None = Field(
        default=None, description="Activated on the n-th different day with such an event."
    )
    within_days: Days | None = Field(
        default=None, description="Those days must lie within so many days, the first one counted."
    )

    @field_validator("any_of", "all_of", "where", "times", "distinct_days")
    @classmethod
    def _has_one_rule(cls, value: Any, info: ValidationInfo) -> Any:
        other = _given(info, _EXCLUDED_BY[info.field_name or ""])
        if value and other is not None:
            raise mistake(f"`{other}` and `{info.field_name}` exclude each other")
        return value

    @field_validator("within_days")
    @classmethod
    def _has_room_for_the_days(cls, within_days: int, info: ValidationInfo) -> int:
        distinct_days = info.data.get("distinct_days", 1)
        if distinct_days is None:
            raise mistake("`within_days` without `distinct_days`", "add `distinct_days: <n>`")
        if within_days < distinct_days:
            raise mistake(f"{distinct_days} different days do not fit into {within_days}")
        return within_days


_EXCLUDED_BY = {
    "any_of": _NAME_KEYS,
    "all_of": (*_NAME_KEYS, "any_of"),
    "where": ("any_of", "all_of"),
    "times": ("all_of",),
    "distinct_days": ("all_of", "times"),
}

ActivationForm = Annotated[
    Annotated[Text, Tag("<text>")]
    | Annotated[WrittenActivation, Tag("<mapping>")]
    | Annotated[list[Selectable], Field(min_length=1), Tag("<list>")],
    forms("an event name, a mapping such as `{event: ..., times: 3}`, or a list of selectors"),
]


# ---- the general form of what events mean


class WrittenName(Written):
    """A name that stands in the event."""

    property: PropertyPath = Field(description="Path of the text or number that is the name.")


NameForm = Annotated[
    Annotated[Text, Tag("<text>")] | Annotated[WrittenName, Tag("<mapping>")],
    forms("a name or `{property: <path>}`"),
]
Kinds = Annotated[
    Annotated[KindName, Tag("<text>")]
    | Annotated[list[KindName], Field(min_length=1), AfterValidator(each_once), Tag("<list>")],
    forms(f"a fact kind or a list of them ({', '.join(FACT_KINDS)})"),
]


def kinds_of(kinds: str | list[str]) -> list[str]:
    """The kinds of an `is`, written as one or as a list."""
    return [kinds] if isinstance(kinds, str) else kinds


class WrittenEvent(WrittenSelector):
    """What the selected events mean."""

    name: NameForm | None = Field(
        default=None,
        description="The name that facts of some kinds have, such as a task, a feature or the id "
        "of a ticket; by default the name of the event.",
    )
    value: AmountForm | None = Field(
        default=None, description="Path of the number that facts of some kinds have."
    )
    attributes: dict[Text, AttributeForm] = Field(
        default_factory=dict,
        description="Further fields of the fact: a constant, or `{property: <path>}`.",
    )
    is_: Kinds = Field(alias="is", description="The kinds of facts that such an event makes.")

    @field_validator("is_")
    @classmethod
    def _fits_what_it_carries(cls, kinds: str | list[str], info: ValidationInfo) -> Any:
        given, made = info.data, kinds_of(kinds)
        named = next((kind for kind in made if kind in NAMED_KINDS), None)
        if named is None and given.get("name") is not None:
            raise mistake(
                f"{' or '.join(made)} facts have no name", "leave `name` out", within="is"
            )
        if not set(made) & set(VALUED_KINDS) and given.get("value") is not None:
            raise mistake(
                f"{' or '.join(made)} facts have no value", "leave `value` out", within="is"
            )
        cls._check_money(made, given.get("value"), given.get("attributes") or {})
        known = {name for kind in made for name in CARRIES[kind].attributes}
        unknown = sorted(set(given.get("attributes") or ()) - known)
        if unknown:
            raise mistake(
                f"{' or '.join(made)} facts have no attribute `{unknown[0]}`",
                f"they may have {', '.join(sorted(known))}" if known else "leave `attributes` out",
                within="is",
            )
        thing = next((kind for kind in made if kind in THING_KINDS), None)
        if thing and not isinstance(given.get("name"), WrittenName) and "name" in given:
            raise mistake(
                f"a {thing} needs the {CARRIES[thing].name} of each event",
                "add `name: {property: <path>}`",
                within="is",
            )
        if named and given.get("name", "mistaken") is None and not cls._one_name(info):
            raise mistake(
                f"a {named} made of events with different names needs a name of its own",
                "add `name: <text>` or `name: {property: <path>}`",
                within="is",
            )
        return kinds

    @classmethod
    def _check_money(cls, made: list[str], value: Any, attributes: dict[str, Any]) -> None:
        """Only what is money is in a currency."""
        valued = [kind for kind in made if kind in VALUED_KINDS]
        if isinstance(value, WrittenAmount) and value.is_in_currency():
            other = next((kind for kind in valued if not carries_money(kind)), None)
            if other is not None:
                raise mistake(
                    f"the value of a {other} is no money",
                    "leave `currency` and `major` out",
                    within="is",
                )
        for name, form in attributes.items():
            money = any(name in CARRIES[kind].money for kind in made)
            if isinstance(form, WrittenAttribute) and not form.is_plain() and not money:
                raise mistake(
                    f"the attribute `{name}` is no money", "write just its `property`", within="is"
                )

    @classmethod
    def _one_name(cls, info: ValidationInfo) -> bool:
        """True if all selected events have the same name (or the name has a mistake)."""
        names = [info.data.get(key, "mistaken") for key in _NAME_KEYS]
        return any(name is not None and not is_pattern(name) for name in names)
