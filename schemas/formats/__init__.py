"""How the bytes of a record become events: one file a format, one table of formats."""

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from schemas.events import Event, Rejected, Usual
from schemas.formats.csv_rows import CsvRows
from schemas.formats.mapping import Mapped
from schemas.formats.segment import Segment


class Format(Protocol):
    """One way of writing events down."""

    def usual(self, value: bytes) -> Usual | None:
        """What `read` would find, if that is one track call without traits; its properties are
        left out. None: read it in full. Several times quicker, and never raises.
        """
        ...

    def read(self, value: bytes, received_ms: int | None = None) -> list[Event | Rejected]:
        """The events of one record, in its order; a Rejected for each that cannot be read.

        `received_ms`: when the record arrived, where that is known, for a format that has use for
        it. Empty for a record that is no event, the header of a CSV file. Never raises.
        """
        ...


FORMATS: Final[dict[str, Callable[..., Format]]] = {
    "segment": Segment,
    "mapping": Mapped,
    "csv": CsvRows,
}


def format_named(
    name: str, options: Mapping[str, Any] | None = None, *, subject_required: bool = True
) -> Format:
    """The format of an input.

    options: what the plan says beside the name: `fields`, `time_unit` and `event_name` for mapping
    and csv, which has `columns` and `delimiter`, too; `clock` for segment. subject_required: an
    event of nobody is refused; False where the plan has facts that need no subject.
    Raises ValueError for a name or options that cannot be.
    """
    make = FORMATS.get(name)
    if make is None:
        raise ValueError(f"format: {name!r} is none of {', '.join(FORMATS)}")
    try:
        return make(**(options or {}), subject_required=subject_required)
    except TypeError as error:
        raise ValueError(f"format {name}: {error}") from None
