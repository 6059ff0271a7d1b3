"""What all entries of a plan as written have in common."""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Discriminator, ValidationInfo, field_validator

from schemas.plan.values import mistake


class Written(BaseModel):
    """An entry of the file: no unknown keys, no conversions between types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    # A field that may be None was left out: None is no value that people can write.
    nullable: ClassVar[frozenset[str]] = frozenset()
    """Fields in which null is a value; elsewhere it means that somebody forgot one."""

    @field_validator("*", mode="before")
    @classmethod
    def _has_a_value(cls, value: Any, info: ValidationInfo) -> Any:
        assert info.field_name is not None
        if value is None and info.field_name not in cls.nullable:
            key = cls.model_fields[info.field_name].alias or info.field_name
            raise mistake(f"`{key}` has no value", "give it one, or leave the key out")
        return value


def _form(value: Any) -> str | None:
    """The tag of the form a value is written in; pydantic puts it into the places of errors."""
    if isinstance(value, str):
        return "<text>"
    if isinstance(value, list):
        return "<list>"
    return "<mapping>" if isinstance(value, dict) else None


def forms(expected: str) -> Discriminator:
    return Discriminator(
        _form, custom_error_type="mistake", custom_error_message=f"expected {expected}"
    )
