"""Rows of the KPI catalogue: what a KPI is, in the words of its operator.

A row is data. The product's own rows stand in streams/catalogue/kpis.yaml; a plan adds rows of the
same form under `kpis.own`. `setting.x` stands for a value of the plan's settings.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, TypeAdapter, model_validator
from typing_extensions import TypeAliasType

Period = Literal["hour", "day", "week", "month", "trailing_7d", "trailing_30d"]
SETTING = "setting."
ALL_SEGMENT = "all"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FactSelector(_Strict):
    """Facts of a kind, or only those with one of the names."""

    kind: str
    name: str | tuple[str, ...] | None = None


# ---- conditions: of one subject in one period


class InWindow(_Strict):
    """Active in a window: the period P itself, the one before it, ever before it, trailing days."""

    active: Literal["P", "previous", "ever_before", "trailing_7d", "trailing_30d"]


class Members(_Strict):
    """At least so many users of the account who satisfy something."""

    members: "InWindow | FirstEver"
    at_least: int | str


class FirstEver(_Strict):
    """A first fact of that kind before the end of the period."""

    first: FactSelector


class AllOf(_Strict):
    all: tuple["Condition", ...] = Field(min_length=1)


class AnyOf(_Strict):
    any: tuple["Condition", ...] = Field(min_length=1)


class Not(_Strict):
    not_: "Condition" = Field(alias="not")


Condition = InWindow | Members | AllOf | AnyOf | Not


# ---- goals: what a subject reaches after its anchor


class ReachesFact(_Strict):
    first: FactSelector


class ReachesNames(_Strict):
    """So many different names of a kind."""

    names: FactSelector
    at_least: int | str


class ActiveOnDay(_Strict):
    """Active on the n-th local day after the anchor's, n being the variant."""

    active_on: FactSelector


Goal = ReachesFact | ReachesNames | ActiveOnDay


# ---- terms: arithmetic on named inputs

Term = TypeAliasType(
    "Term", "int | str | dict[Literal['add', 'sub', 'mul', 'div'], tuple[Term, ...]]"
)


class Input(_Strict):
    """A KPI in the period at hand; `period` names a trailing window that ends with it."""

    kpi: str | dict[Period, str]
    """One KPI, or which KPI in which period."""
    period: Period | None = None
    variant: str | None = None
    """Which variant of the KPI, such as `n=7`, if it has any."""
    against: Literal["previous"] | None = None
    sum_of: Literal["day"] | None = None
    """Adds up the KPI's days of the period instead of taking its own value."""


# ---- rows


def unit(level: str, kpi: str, variant: str = "") -> str:
    """The name of what begins, and ends, as a whole when a plan changes: a KPI, in a variant."""
    return f"{level}/{kpi}/{variant}" if variant else f"{level}/{kpi}"


def dimension_unit(dimension: str) -> str:
    return f"dimension/{dimension}"


class _Row(_Strict):
    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    name: str
    group: str
    unit: str
    periods: tuple[Period, ...] = Field(min_length=1)
    segments: bool = True
    better: Literal["up", "down", "none"] = "none"
    definition: str
    example: str
    asked_in: tuple[int, ...] = ()
    _since_ms: Mapping[str, int] = PrivateAttr(default_factory=dict)

    def since_ms(
        self, level: str = "company", variant: str = "", segment: str = ALL_SEGMENT
    ) -> int | None:
        """From when on it counts where it runs: it was taken up, or changed, under way.

        None: from the first event on, as ever where a prefix has known one plan only.
        """
        places = [unit(level, self.id, variant)]
        if segment != ALL_SEGMENT:
            places.append(dimension_unit(segment.partition("=")[0]))
        return max((self._since_ms[p] for p in places if p in self._since_ms), default=None)


class DistinctRow(_Row):
    operator: Literal["distinct"]
    subject: Literal["user", "account"]
    facts: FactSelector = FactSelector(kind="activity")
    when: Condition


class ShareRow(_Row):
    operator: Literal["share"]
    subject: Literal["user", "account"]
    facts: FactSelector = FactSelector(kind="activity")
    base: Condition
    passes: Condition


class CountRow(_Row):
    operator: Literal["count"]
    subject: Literal["any", "user"]
    of: FactSelector
    each: Literal["fact", "subject"]

    @model_validator(mode="after")
    def _subject_fits(self) -> "CountRow":
        if (self.each == "subject") != (self.subject == "user"):
            raise ValueError("`each: subject` goes with `subject: user`, `each: fact` with `any`")
        return self


class ConversionRow(_Row):
    operator: Literal["conversion"]
    subject: Literal["user"]
    anchor: FactSelector
    goal: Goal
    within_days: int | None = None
    variant: str | tuple[int, ...] | None = None
    """The numbers n of `active_on`; the variant is `n=<n>`."""

    @model_validator(mode="after")
    def _days_fit(self) -> "ConversionRow":
        on_day = isinstance(self.goal, ActiveOnDay)
        if on_day != (self.variant is not None) or on_day == (self.within_days is not None):
            raise ValueError("`active_on` needs `variant`, every other goal needs `within_days`")
        return self


class LagRow(_Row):
    operator: Literal["lag"]
    subject: Literal["user"]
    anchor: FactSelector
    end: FactSelector
    headline: Literal["median", "p90", "mean", "km_median"] = "median"
    within_days: int | None = None


class MembershipRow(_Row):
    """Accounts that ever had n users with a first fact; reaching n is a signal."""

    operator: Literal["membership"]
    subject: Literal["account"]
    members: FirstEver
    reach: str | tuple[int, ...]
    """The numbers n; the variant is `users=<n>`."""


class FormulaRow(_Row):
    operator: Literal["formula"]
    inputs: dict[str, Input]
    formula: Term


Row = Annotated[
    DistinctRow | ShareRow | CountRow | ConversionRow | LagRow | MembershipRow | FormulaRow,
    Field(discriminator="operator"),
]

for _model in (Members, AllOf, AnyOf, Not):
    _model.model_rebuild()

_ROW: TypeAdapter[Row] = TypeAdapter(Row)
_ROWS: TypeAdapter[list[Row]] = TypeAdapter(list[Row])


def begun(row: Row, since_ms: Mapping[str, int]) -> Row:
    """The row where units of that name count from a moment on only."""
    found = row.model_copy()
    found._since_ms = since_ms
    return found


def per_account(row: Row) -> bool:
    """True if the row can also be published per account: rows about users and about facts."""
    return not isinstance(row, FormulaRow) and row.subject in ("user", "any")


def variants_of(row: Row) -> tuple[str, ...]:
    """The variants of a row whose settings are resolved; ('',) where it has none."""
    if isinstance(row, ConversionRow) and isinstance(row.variant, tuple):
        return tuple(f"n={n}" for n in row.variant)
    if isinstance(row, MembershipRow) and isinstance(row.reach, tuple):
        return tuple(f"users={n}" for n in row.reach)
    return ("",)


def kpi_in(input: Input, period: str) -> str | None:
    """The KPI that an input reads for a period of its formula; None if it names none."""
    if isinstance(input.kpi, str):
        return input.kpi
    return input.kpi.get(input.period or period)  # type: ignore[call-overload, no-any-return]


def kinds_of(row: Row) -> frozenset[str]:
    """The kinds of facts a row is made from; none for a formula, which reads other rows."""
    return frozenset(_kinds(row.model_dump(by_alias=True)))


def _kinds(data: Any) -> set[str]:
    if isinstance(data, dict):
        found = {data["kind"]} if isinstance(data.get("kind"), str) else set()
        return found.union(*(_kinds(v) for v in data.values()))
    if isinstance(data, list | tuple):
        return set().union(*(_kinds(v) for v in data))
    return set()


def resolved(row: Row, settings: dict[str, Any]) -> Row:
    """The row with every `setting.x` replaced; an empty list of names stands for all names.

    Raises KeyError for a setting that does not exist.
    """
    return row_of(_resolved(row.model_dump(by_alias=True), settings))


def _resolved(data: Any, settings: dict[str, Any]) -> Any:
    if isinstance(data, dict):
        found = {k: _resolved(v, settings) for k, v in data.items()}
        if found.get("name") == ():
            found["name"] = None
        return found
    if isinstance(data, list | tuple):
        return [_resolved(v, settings) for v in data]
    if isinstance(data, str) and data.startswith(SETTING):
        return settings[data.removeprefix(SETTING)]
    return data


def row_of(data: Any) -> Row:
    """A row of plain data. Raises pydantic's ValidationError with every mistake."""
    return _ROW.validate_python(data)


def rows_of(data: Any) -> list[Row]:
    return _ROWS.validate_python(data)
