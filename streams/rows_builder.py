"""Columns filled row by row: strings once a batch, positions afterwards."""

from schemas.batches import Rows


class RowsBuilder:
    """`Rows` under construction."""

    def __init__(self) -> None:
        self._members: dict[tuple[str, str], int] = {}
        self._meanings: dict[tuple[tuple[str, str | None], ...], int] = {}
        self._segments: dict[tuple[str, ...], int] = {}
        self._rows = Rows([], [], [], [], [], [], [], [])

    def __len__(self) -> int:
        return len(self._rows.time_ms)

    def add(
        self,
        member: tuple[str, str],
        time_ms: int,
        meaning: tuple[tuple[str, str | None], ...],
        segments: tuple[str, ...],
        event_id: str,
    ) -> None:
        rows = self._rows
        rows.member.append(self._members.setdefault(member, len(self._members)))
        rows.time_ms.append(time_ms)
        rows.meaning.append(self._meanings.setdefault(meaning, len(self._meanings)))
        rows.segment.append(self._segments.setdefault(segments, len(self._segments)))
        rows.event_id.append(event_id)

    def build(self) -> Rows:
        """The columns; nothing may be added afterwards."""
        rows = self._rows
        rows.members = list(self._members)
        rows.meanings = [list(meaning) for meaning in self._meanings]
        rows.segments = [list(segments) for segments in self._segments]
        return rows
