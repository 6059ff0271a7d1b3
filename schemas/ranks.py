"""What rankings order, and by what."""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from schemas.selectors import Strict
from schemas.terms import Term


class OfVariants(Strict):
    """The names that the inputs have variants of, such as `feature` of `feature=export`."""

    variants: str = Field(pattern=r"^[a-z_]+$")


class OfDimension(Strict):
    """The values of a dimension that the inputs are split by, such as `campaign`."""

    segments: str


class OfMembers(Strict):
    """The accounts that are in a membership at the end of the period."""

    members: str
    """The KPI of the membership."""


ENTERED = "entered"
"""In a term of a ranking of members: when they entered last, as a number that rises with time."""


class By(Strict):
    """A score. What it is null of comes last, whichever the order."""

    term: Term
    shown_as: str = Field(default="", validate_default=True)
    """The name of the score; by default that of the input, where the term is one."""
    order: Literal["descending", "ascending"] = "descending"

    @field_validator("shown_as")
    @classmethod
    def _has_a_name(cls, name: str, info: ValidationInfo) -> str:
        term = info.data.get("term")
        if name or isinstance(term, str):
            return name or str(term)
        raise ValueError("a score that is calculated needs a name: write `shown_as`")
