"""A simulated company with its truth, computed independently in SQL: every number of every row."""

import csv
import gc
import gzip
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from schemas.row_forms.people import MembershipRow
from schemas.times import DAY_MS, parse_iso
from streams.catalogue import catalogue_ids, catalogue_rows
from tests.acceptance.shared_data import SHARED, TALLIES, needs_shared_data
from tests.lists import EITHER, lines_of, members_at, passages_of
from tests.records import Record, same_number
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
    gc.collect()  # the stages of the replay before this one know each other, and would stay
    return request.param, replay(WORLD / LOGS[request.param], PLAN, folder)


def wrong_values(records: Iterable[Record], run: str) -> list[Truth]:
    """Values of rows of the catalogue that are not those of the truth; tallies by group."""
    groups = {row["id"]: row["group"] for row in rows_asked_for()}
    found = {place_of(record): record for record in records}
    right, of_all, wrong = Counter[str](), Counter[str](), []
    for row in truths():
        equal = is_equal(row, found)
        of_all[groups[row.kpi]] += 1
        right[groups[row.kpi]] += equal
        if not equal and row.kpi in catalogue_ids():
            wrong.append(row)
    for group, n in of_all.items():
        TALLIES[f"world {group}", run] = f"{right[group]}/{n}"
    return wrong


def test_every_row_of_the_catalogue_has_the_values_of_the_truth(
    replayed: tuple[str, Replayed],
) -> None:
    run, result = replayed
    assert wrong_values(result.kpis.values(), run)[:5] == []


def rows_asked_for() -> list[dict[str, Any]]:
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


Lists = dict[tuple[str, str, str, int], list[tuple[str, float | None]]]
"""KPI, variant, period and end (UTC ms) -> the lines in their order, with their scores.

Members are in the order of their names, and have none.
"""


BY_VALUES = {
    "healthy_accounts": ("health_score", "day", 60),
    "team_accounts": ("wau", "trailing_7d", 3),
}
"""Memberships of the plan's own -> the value of an account that they look at, and the bound."""


def test_accounts_are_in_by_the_values_that_the_truth_says(
    replayed: tuple[str, Replayed],
) -> None:
    _, result = replayed
    passed: dict[tuple[str, str], list[int]] = {}
    for signal in result.signals.values():
        membership = signal["signal"].partition(".")[0]
        passed.setdefault((membership, signal["account"]), []).append(parse_iso(signal["at"]))
    looked_at = Counter[tuple[str, bool]]()
    for membership, (kpi, period, bound) in BY_VALUES.items():
        for row in truths():
            if (row.kpi, row.level, row.period, row.part) == (kpi, "account", period, ""):
                end_ms = parse_iso(row.end)
                is_in = sum(ms <= end_ms for ms in passed.get((membership, row.subject), ())) % 2
                assert is_in == (float(row.value) >= bound), (membership, row)
                looked_at[membership, bool(is_in)] += 1
    assert len(looked_at) == 2 * len(BY_VALUES)
    assert sum(looked_at.values()) > 15_000


def members_of() -> dict[str, MembershipRow]:
    return {row.id: row for row in catalogue_rows() if isinstance(row, MembershipRow)}


@cache
def stated_lists() -> Lists:
    """The lists of the truth.

    Those of features by adoption stand there under the day that their thirty days end with, the
    bottom before the top; a list of a week under its last day.
    """
    found: Lists = {}
    memberships = members_of()
    for row in table("lists.csv.gz"):
        kpi, period = row["kpi"], row["period"]
        score = float(row["score"]) if row["score"] and kpi not in memberships else None
        if kpi in memberships:
            (period,) = memberships[kpi].periods
        elif kpi == "features_by_adoption":
            period = "trailing_30d"
        end_ms = parse_iso(f"{row['date']}T00:00:00Z") + DAY_MS
        found.setdefault((kpi, row["variant"], period, end_ms), []).append((row["subject"], score))
    # the truth has some members in the order of a score, which a membership does not state
    return {place: sorted(of) if place[0] in memberships else of for place, of in found.items()}


def given_lists(result: Replayed, kpis: set[str], either: bool = False) -> Lists:
    """The lists of rankings as they were published; of memberships who is in, by the signals.

    `either`: see members_at.
    """
    found: Lists = {}
    for key, record in result.lists.items():
        if key.segment == "all" and record["status"] != "provisional":
            variant = key.variant or ("" if key.subject is None else f"account={key.subject}")
            # of campaigns the truth has the top only
            bottom = lines_of(record, "bottom") if key.kpi == "features_by_adoption" else []
            lines = [*bottom, *lines_of(record)]
            if lines:
                found[key.kpi, variant, key.period, key.end_ms] = [(e.name, e.score) for e in lines]
    ends = {
        (key.period, key.start_ms, key.end_ms)
        for key, record in result.kpis.items()
        if record["status"] != "provisional"
    }
    memberships = members_of()
    for id in memberships.keys() & kpis:
        passages = passages_of(id, result.signals.values())
        for period, start_ms, end_ms in ends:
            if period in memberships[id].periods:
                at_end = either and id in EITHER
                members = members_at(memberships[id], passages, start_ms, end_ms, at_end)
                for variant, names in members.items():
                    found[id, variant, period, end_ms] = [(n, None) for n in sorted(names)]
    return found


def wrong_lists(result: Replayed, run: str) -> list[tuple[str, str, str, int]]:
    """Lists of rows of the catalogue that are not those of the truth, that are missing, or that
    should not be there. Of some lists the truth has some days only.
    """
    stated = stated_lists()
    kpis = {place[0] for place in stated}
    given, or_else = (given_lists(result, kpis, either) for either in (False, True))
    times = {(kpi, period, end_ms) for kpi, _, period, end_ms in stated}
    whole = {(kpi, period) for kpi, period, _ in times} - {("features_of_interest", "trailing_30d")}
    looked_at = {
        (kpi, variant, period, end_ms)
        for kpi, variant, period, end_ms in given
        if (kpi, period, end_ms) in times or (kpi, period) in whole
    }
    wrong = [
        place
        for place in stated.keys() | looked_at
        if not same_lists(stated, given, place) and not between(stated, given, or_else, place)
    ]
    right = sum(place not in wrong for place in stated)
    TALLIES["world lists", run] = f"{right}/{len(stated)}"
    return sorted(place for place in wrong if place[0] in catalogue_ids())


def same_lists(stated: Lists, given: Lists, place: tuple[str, str, str, int]) -> bool:
    lines = stated.get(place, []), given.get(place, [])
    return [name for name, _ in lines[0]] == [name for name, _ in lines[1]] and all(
        same_number(found, wanted, TOLERANCE)
        for (_, wanted), (_, found) in zip(*lines, strict=True)
    )


def between(stated: Lists, given: Lists, or_else: Lists, place: tuple[str, str, str, int]) -> bool:
    """Whether those are in who are so either way, and no other ones than who are so in one."""
    names, now, later = (
        {name for name, _ in lists.get(place, [])} for lists in (stated, given, or_else)
    )
    return place[0] in EITHER and now & later <= names <= now | later


def test_every_list_of_the_truth_is_given_and_no_other(replayed: tuple[str, Replayed]) -> None:
    run, result = replayed
    assert wrong_lists(result, run)[:5] == []


def test_nothing_of_it_is_left_unread(replayed: tuple[str, Replayed]) -> None:
    assert replayed[1].dead_letters == []
