"""A simulated company with its truth, computed independently in SQL: every number of every row."""

import csv
import gzip
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from schemas.times import parse_iso
from streams.catalogue import catalogue_ids
from tests.acceptance.shared_data import SHARED, TALLIES, needs_shared_data
from tests.records import Record
from tests.replays import Replayed, replay

WORLD = SHARED / "world"
PLAN = Path(__file__).resolve().parents[2] / "plans" / "world.yaml"
LOGS = {"in order": "events.jsonl.gz", "disordered": "events_disordered.jsonl.gz"}
TOLERANCE = 1e-9
SECONDS = len("2026-03-01T09:15:30")

pytestmark = [needs_shared_data, pytest.mark.timeout(600)]


class Truth(NamedTuple):
    """A row of truth.csv."""

    kpi: str
    variant: str
    level: str
    subject: str
    segment: str
    period: str
    start: str
    end: str
    part: str
    value: str
    tolerance: str
    status: str


def is_left_out(row: Truth) -> bool:
    """What rows that the catalogue has do not give yet."""
    return (
        (row.kpi == "guide_views" and row.part == "viewers")
        # amounts of outcomes are not split by the feature that they name
        or (row.kpi == "outcome_per_feature_use" and row.part == "value")
        # a lead counts for the source of its first fact, not of the first one that names one
        or (row.kpi == "lead_stage_time" and row.segment != "all")
    )


def table(name: str) -> Iterator[dict[str, str]]:
    with gzip.open(WORLD / name, "rt", encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines)


@cache
def truths() -> list[Truth]:
    return [Truth(*row.values()) for row in table("truth.csv.gz") if row["status"] == "final"]


@cache
def sorted_parts(text: str | None) -> str:
    return "&".join(sorted((text or "").split("&")))


def place_of(record: Record) -> tuple[Any, ...]:
    return (
        record["kpi"],
        sorted_parts(record["variant"]),
        record["level"],
        record["subject"] or "",
        sorted_parts(record["segment"]),
        record["period"],
        record["start"][:SECONDS],
        record["end"][:SECONDS],
    )


def is_equal(row: Truth, records: dict[tuple[Any, ...], Record]) -> bool:
    place = (
        row.kpi,
        sorted_parts(row.variant),
        row.level,
        row.subject,
        sorted_parts(row.segment),
        row.period,
        row.start[:SECONDS],
        row.end[:SECONDS],
    )
    record = records.get(place)
    stated = float(row.value) if row.value else None
    if record is None:
        return not stated
    found = (record["parts"] or {}).get(row.part) if row.part else record["value"]
    if found is None or stated is None:
        return found is None and stated is None
    tolerance = max(float(row.tolerance or 0), TOLERANCE * max(1, abs(stated)))
    return bool(abs(found - stated) <= tolerance)


@pytest.fixture(scope="module", params=LOGS)
def replayed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("world")
    return request.param, replay(WORLD / LOGS[request.param], PLAN, folder)


def wrong_values(records: Iterable[Record], run: str) -> list[Truth]:
    """Values of rows of the catalogue that are not those of the truth; tallies by group."""
    groups = {row["id"]: row["group"] for row in catalogue_rows()}
    found = {place_of(record): record for record in records}
    right, of_all, wrong = Counter[str](), Counter[str](), []
    for row in truths():
        equal = is_equal(row, found)
        of_all[groups[row.kpi]] += 1
        right[groups[row.kpi]] += equal
        if not equal and row.kpi in catalogue_ids() and not is_left_out(row):
            wrong.append(row)
    for group, n in of_all.items():
        TALLIES[f"world {group}", run] = f"{right[group]}/{n}"
    return wrong


def test_every_row_of_the_catalogue_has_the_values_of_the_truth(
    replayed: tuple[str, Replayed],
) -> None:
    run, result = replayed
    assert wrong_values(result.kpis.values(), run)[:5] == []


def catalogue_rows() -> list[dict[str, Any]]:
    """The rows of all KPIs, with those that the product does not have yet."""
    text = (SHARED / "kpis.yaml").read_text(encoding="utf-8")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    rows: list[dict[str, Any]] = next(yaml.load_all(text, loader))
    return rows


Passage = tuple[str, str, str, int, str]
"""KPI, variant, subject, instant (UTC ms), enter or leave."""


def wrong_signals(signals: Iterable[Record], run: str) -> set[Passage]:
    """Signals of rows of the catalogue that are missing, and those that should not be there."""
    stated = {
        (row["kpi"], row["variant"], row["subject"], parse_iso(row["at"]), row["change"])
        for row in table("signals.csv.gz")
    }
    given = set()
    for record in signals:
        kpi, _, change = record["signal"].rpartition(".")
        if kpi:
            subject = record["account"] or record["user"]
            given.add((kpi, record["variant"] or "", subject, parse_iso(record["at"]), change))
    TALLIES["world signals", run] = f"{len(given & stated)}/{len(stated)}"
    known = {each[0] for each in stated}
    expected = {each for each in stated if each[0] in catalogue_ids()}
    return {each for each in given if each[0] in known} ^ expected


def test_every_signal_of_the_truth_is_given_and_no_other(replayed: tuple[str, Replayed]) -> None:
    run, result = replayed
    assert wrong_signals(result.signals.values(), run) == set()


def test_nothing_of_it_is_left_unread(replayed: tuple[str, Replayed]) -> None:
    assert replayed[1].dead_letters == []
