"""What rows of the catalogue select: facts, names, states, and how values pass."""

from pydantic import BaseModel, ConfigDict, Field

SETTING = "setting."


ENTRY = "entry"
"""The kind that stands for the first time an account enters a membership; `name` is its KPI."""
EACH = "each"
"""In `for_each`, stands for an entry."""


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


Wanted = str | bool | int
"""A value that an attribute is asked for."""


class FactSelector(Strict):
    """Facts of a kind, or only those with one of the names, and with certain attributes."""

    kind: str | tuple[str, ...]
    """One kind; or several, of which any counts."""
    name: str | tuple[str, ...] | None = None
    where: dict[str, Wanted | tuple[Wanted, ...]] = Field(default_factory=dict)
    """Attribute -> the value, or one of the values, that it has to have."""
    above: int | None = None
    """Only facts whose value is greater."""
    or_: "FactSelector | None" = Field(default=None, alias="or")
    """Such facts, too."""


class Variant(Strict):
    """What values are split by beside segments: names, or an attribute; never added up across."""

    by: str = Field(pattern=r"^(name|attributes\.[a-z_]+)$")
    shown_as: str
    """The variant is `<shown_as>=<name>`."""
    total: bool = True
    """True: a value of all together, without a variant, too."""
    within: "Variant | None" = None
    """What each of these variants is split by in turn: `<shown_as>=<name>&<its>=<name>`, beside the
    variant as a whole if that has a `total`.
    """


class Passing(Strict):
    """A fact whose value is at least so many percent of a scale that it names."""

    percent_of: str
    """Name of the attribute that holds the scale's maximum."""
    at_least: int | str


class Kept(Strict):
    """A fact of a thing that came in time, and keeps to its bounds.

    What counts is what the thing's facts of that kind said last until then. A thing without a time
    to keep is left out.
    """

    by: str
    """Name of the attribute that holds the time (UTC ms)."""
    at_most: dict[str, str] = Field(default_factory=dict)
    """Attribute -> the one that holds its upper bound; where one of both is missing, it is kept."""


class FirstEver(Strict):
    """A first fact of that kind before the end of the period."""

    first: FactSelector


class StateTest(Strict):
    """What the state of an account has to be: the value of its latest fact, or an attribute."""

    above: int | None = None
    at_most: int | None = None
    """An account without such a fact stands at 0."""
    attribute: str | None = None
    among: tuple[Wanted, ...] = ()
    """The values of the attribute that count."""
    ever_above: int | None = None
    """Some state until then was greater."""
    never_above: int | None = None
    """None was."""
    stopped: bool | None = None
    """Of the end: the latest change from above 0 to 0 lies in the period."""
