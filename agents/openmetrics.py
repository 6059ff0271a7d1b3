"""The numbers of a replay as history for Prometheus, in the text format OpenMetrics 1.0.

Every value of the company whose period is over becomes a sample at the end of the period: what a
worker would have shown at that moment as `headwater_kpi_closed_value`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

import orjson

from agents.metrics import KPI_CLOSED_VALUE, PREFIX
from schemas.outputs import Number
from schemas.times import SECOND_MS, parse_iso
from streams.values.publication import PROVISIONAL

Series = tuple[str, str, str, str]
"""KPI, variant, segment and period: the labels."""


def history(kpis: Iterable[bytes]) -> Iterator[str]:
    """Lines of OpenMetrics from lines of kpis.jsonl, of which the last one of a key holds."""
    name = PREFIX + KPI_CLOSED_VALUE.name
    yield f"# HELP {name} {KPI_CLOSED_VALUE.help}\n"
    yield f"# TYPE {name} gauge\n"
    for series, values in sorted(_closed_values(kpis).items()):
        labels = ",".join(
            f'{label}="{_escaped(value)}"'
            for label, value in zip(KPI_CLOSED_VALUE.labels, series, strict=True)
        )
        for end_ms, value in sorted(values.items()):
            if value is not None:
                yield f"{name}{{{labels}}} {value} {end_ms / SECOND_MS:.3f}\n"
    yield "# EOF\n"


def _closed_values(kpis: Iterable[bytes]) -> dict[Series, dict[int, Number | None]]:
    found: dict[Series, dict[int, Number | None]] = defaultdict(dict)
    for line in kpis:
        record = orjson.loads(line)
        if record["level"] == "company" and record["status"] != PROVISIONAL:
            series = record["kpi"], record["variant"] or "", record["segment"], record["period"]
            found[series][parse_iso(record["end"])] = record["value"]
    return found


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
