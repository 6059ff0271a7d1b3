"""Result files are complete or not there; figures are the last word on each value and signal."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from agents.results import Figures, OutputError, ResultFiles, Series
from schemas.outputs import DEAD_LETTERS, KpiKey, Published, dead_letter_record, kpi_record
from schemas.times import DAY_MS
from streams.stage import Outgoing

DAU = Series("dau", "day")


def value(number: float, day: int = 0, status: str = "final", **place: Any) -> Outgoing:
    key = KpiKey("dau", None, "company", None, "all", "day", day * DAY_MS, (day + 1) * DAY_MS)
    record = kpi_record(key._replace(**place), Published(number, None, status, 1), 0)
    return Outgoing("kpis", None, *record)


def signal(id: str, revision: int, at: str = "2026", *, retracted: bool = False) -> Outgoing:
    record = {"id": id, "revision": revision, "retracted": retracted, "at": at}
    return Outgoing("signals", None, None, orjson.dumps(record))


def listing(
    *names: str, start: str = "2026-03-01", end: str = "2026-04-01", **more: str
) -> Outgoing:
    lines = [{"rank": rank, "name": name} for rank, name in enumerate(names, 1)]
    record = {"kpi": "most_used", "level": "company", "segment": "all", "status": "final"}
    record |= {"start": start, "end": end, **more}
    return Outgoing("lists", None, None, orjson.dumps(record | {"top": lines}))


def test_a_file_has_its_name_only_when_all_are_complete(tmp_path: Path) -> None:
    files = ResultFiles(tmp_path)
    files.write([value(1), Outgoing("kpis", None, b"k", None), signal("s", 1)])
    assert not list(tmp_path.glob("*.jsonl"))

    files.finish({"events": 2})
    files.discard()

    assert len((tmp_path / "kpis.jsonl").read_bytes().splitlines()) == 1
    assert (tmp_path / "dead_letters.jsonl").read_bytes() == b""
    assert orjson.loads((tmp_path / "summary.json").read_bytes()) == {"events": 2}
    assert len(list(tmp_path.iterdir())) == 7


def test_what_is_discarded_leaves_nothing(tmp_path: Path) -> None:
    files = ResultFiles(tmp_path / "out")
    files.write([value(1)])
    files.discard()
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot hold the results"):
        ResultFiles(tmp_path / "file" / "out")


def test_the_last_value_of_each_chosen_key_counts() -> None:
    figures = Figures([DAU])
    figures.take([value(1, day=1, status="provisional"), value(5, day=0)])
    figures.take([value(2, day=1), value(9, segment="plan=pro"), value(9, period="week")])
    points = [(point.start_ms // DAY_MS, point.value, point.over) for point in figures.points(DAU)]
    assert points == [(0, 5, True), (1, 2, True)]


def test_signals_stand_by_their_highest_revision() -> None:
    figures = Figures([])
    figures.take([signal("a", 1, "2026-01"), signal("b", 1, "2026-02"), signal("c", 1, "2026-03")])
    figures.take([signal("a", 2, "2026-01", retracted=True), signal("c", 3, "2026-03")])
    figures.take([signal("c", 2, "2026-03", retracted=True), signal("a", 3, "2026-01")])
    figures.take([signal("b", 2, "2026-02", retracted=True)])
    assert figures.standing == 2
    assert [each["id"] for each in figures.newest_signals(5)] == ["c", "a"]


def test_dead_letters_are_counted_by_code() -> None:
    figures = Figures([])
    record = dead_letter_record(b"{", "malformed_json", "why", "file", 0, 1)
    figures.take([Outgoing(DEAD_LETTERS, None, None, record)] * 2)
    assert dict(figures.dead_letters) == {"malformed_json": 2}


def test_the_newest_list_is_the_last_that_is_over_and_the_longest_of_those() -> None:
    figures = Figures([])
    figures.take([listing("a", end="2026-03-08"), listing("b"), listing("c", start="2026-03-25")])
    figures.take(
        [listing("d", end="2026-05-01", status="provisional"), listing("e", level="account")]
    )
    assert [list["top"][0]["name"] for list in figures.newest_lists] == ["b"]

    figures.take([listing("b", "a", status="amended")])
    assert [line["name"] for line in figures.newest_lists[0]["top"]] == ["b", "a"]

    figures.take([listing()])
    assert figures.newest_lists == []
