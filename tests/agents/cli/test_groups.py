"""Every group of the catalogue is seen: with a few numbers, or with the reason why it is idle."""

import asyncio
import io
import re
from pathlib import Path

import orjson
import pytest
from rich.console import Console, RenderableType

from agents.cli.groups import (
    NUMBERS,
    OWN_PANELS,
    group_lines,
    group_panels,
    idle_groups,
    likely_rows,
)
from agents.cli.live import View
from agents.cli.summary import series_shown
from agents.company import sample_lines
from agents.live_company import LiveCompany
from agents.results import EACH, Figures, Series
from schemas.outputs import KPIS
from schemas.plan import Plan, load_plan
from streams.catalogue import GROUPS, catalogue_of, catalogue_rows
from streams.stage import Outgoing

PLANS = Path(__file__).resolve().parents[3] / "plans"
DAYS = 40


def drawn(picture: RenderableType, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    console.print(picture)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture(scope="module")
def demo() -> Plan:
    return load_plan(PLANS / "demo.yaml")


@pytest.fixture(scope="module")
def view(demo: Plan) -> View:
    """The company after forty days."""
    company = LiveCompany(list(sample_lines(days=DAYS, accounts=150)), demo, DAYS, seconds=1)
    view = View(demo, company, DAYS, Console(file=io.StringIO(), width=100))
    asyncio.run(company.run(view.take, lambda: None))
    return view


def test_every_group_has_numbers_that_are_its_own_and_are_published() -> None:
    assert sorted((*NUMBERS, *OWN_PANELS)) == sorted(GROUPS)
    rows = {row.id: row for row in catalogue_rows()}
    for group, numbers in NUMBERS.items():
        assert any(number.short for number in numbers), group
        for number in numbers:
            row = rows[number.series.kpi]
            assert row.group == group
            assert row.published
            assert number.series.period in row.periods


def test_the_live_picture_shows_every_group_on_one_screen(view: View) -> None:
    lines = drawn(view.picture()).splitlines()
    assert max(map(len, lines)) == 100
    assert len(lines) <= 34
    business = "\n".join(lines)
    for group in NUMBERS:
        said = business.split(group, 1)[1].splitlines()[0]
        assert any(character.isdigit() for character in said[:30]), group


def test_what_is_predicted_is_shown_with_the_accounts_it_is_said_of(view: View, demo: Plan) -> None:
    (said,) = (line for line in drawn(view.picture()).splitlines() if "likely to" in line)
    assert re.search(r"leave acct-\d{3} \d+%, acct-\d{3} \d+%", said)
    assert re.search(r"buy acct-\d{3} \d+%, acct-\d{3} \d+%", said)
    lines = dict(likely_rows(view.figures, catalogue_of(demo)))
    assert lines.keys() == {"buy", "leave"}
    scores = [int(score) for score in re.findall(r"(\d+)%", lines["leave"])]
    assert len(scores) > 1
    assert scores == sorted(scores, reverse=True)


def test_of_a_number_by_name_the_strongest_is_said() -> None:
    series = Series("feature_nps_correlation", "trailing_30d", EACH)
    (number,) = (n for numbers in NUMBERS.values() for n in numbers if n.series == series)
    figures = Figures([series])
    assert number.of(figures) == "-"
    for name, r in (("a", 0.1), ("b", -0.4), ("c", None)):
        figures.take([correlated(name, r)])
    assert number.of(figures) == "b -0.40"


def test_the_panels_at_the_end_have_a_number_for_nearly_every_row(view: View, demo: Plan) -> None:
    console = Console(file=io.StringIO(), width=100)
    said = drawn(group_panels(console, view.figures, catalogue_of(demo)))
    assert max(map(len, said.splitlines())) == 100
    for group in NUMBERS:
        assert f" {group.capitalize()} " in said
    rows = sum(len(numbers) for numbers in NUMBERS.values())
    assert said.count(" - ") < rows / 4, "forty days: some cohorts are too young"
    lines = [number.label for numbers in NUMBERS.values() for number in numbers]
    assert [label for label in lines if label not in said] == [], "labels fit into one line"


def test_a_group_without_events_says_what_it_waits_for() -> None:
    plan = load_plan(PLANS / "example.yaml")
    catalogue = catalogue_of(plan)
    idle = idle_groups(catalogue)
    assert idle["support"] == "the plan maps no event to ticket"
    assert idle["revenue"] == "the plan maps no event to payment, cost, subscription and 1 more"
    assert not idle.keys() & {"engagement", "activation", "retention", "expansion"}
    lines = drawn(group_lines(Figures(()), catalogue))
    assert "support      idle: maps no event to ticket" in lines


def test_a_group_that_is_switched_off_says_so() -> None:
    plan = load_plan("product: x\nkpis: {only: [dau]}\n")
    assert idle_groups(catalogue_of(plan))["support"] == "switched off in the plan"


def test_a_number_whose_period_is_not_over_is_shown_only_if_there_is_no_other(demo: Plan) -> None:
    figures = Figures(series_shown(demo))
    figures.take([value("2025-09-01", "2025-09-08", 12, "provisional")])
    assert "tickets 12" in drawn(group_lines(figures, catalogue_of(demo)))
    figures.take(
        [
            value("2025-09-01", "2025-09-08", 15, "final"),
            value("2025-09-08", "2025-09-15", 3, "provisional"),
        ]
    )
    assert "tickets 15" in drawn(group_lines(figures, catalogue_of(demo)))


def correlated(name: str, r: float | None) -> Outgoing:
    where = '"company",null,"all","trailing_30d"'
    bounds = '"2025-09-01T00:00:00.000Z","2025-10-01T00:00:00.000Z"'
    key = f'["feature_nps_correlation","feature={name}",{where},{bounds}]'
    said = orjson.dumps({"value": r, "parts": None, "status": "final"})
    return Outgoing(KPIS, None, key.encode(), said)


def value(start: str, end: str, number: int, status: str) -> Outgoing:
    series = Series("tickets_created", "week")
    midnight = "T00:00:00.000Z"
    key = f'["{series.kpi}",null,"company",null,"all","week","{start}{midnight}","{end}{midnight}"]'
    said = f'{{"value":{number},"parts":null,"status":"{status}"}}'
    return Outgoing(KPIS, None, key.encode(), said.encode())
