"""How a backfill tells what differs, and what it refuses before it does anything."""

from __future__ import annotations

from collections import Counter
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from agents.cli import main
from agents.cli.differences import show_differences, told
from agents.differences import Differences, Example, KpiDifference, SignalDifference

START = "2026-03-02T00:00:00.000Z"
EXAMPLE = Example(None, None, "all", "week", START, 12, 13.5)
TAU = KpiDifference("tau", "company", Counter(equal=1200, unsettled=1))
WAU = KpiDifference("wau", "company", Counter(equal=1000, different=2, only_new=1), [EXAMPLE])
WAU_OF_ACCOUNTS = KpiDifference("wau", "account", Counter(equal=7))
ACTIVATED = SignalDifference("activated", both=5, only_old=1)
MILESTONES = SignalDifference("account_user_milestones.enter", both=3)


def shown(*kpis: KpiDifference, signals: tuple[SignalDifference, ...] = (), since: str = "") -> str:
    text = StringIO()
    show_differences(
        Differences([*kpis], [*signals], since), "growth", "growth-2", Console(file=text)
    )
    return text.getvalue()


def test_what_differs_is_a_table_and_the_rest_a_line():
    lines = shown(TAU, WAU, WAU_OF_ACCOUNTS, signals=(ACTIVATED, MILESTONES)).splitlines()
    rows = [line.split() for line in lines]
    assert ["wau", "company", "1,000", "2", "0", "1", "0"] in rows
    assert ["activated", "5", "1", "0"] in rows
    assert "  wau of company, week from 2026-03-02: 12 -> 13.5" in lines
    assert "The same in all 1,200 values: 1 KPI." in lines
    assert "Not compared: 1 value whose period is over for only one of them." in lines
    assert "The same under both: 3 other signals." in lines
    assert not any("tau" in row for row in rows)


def test_where_nothing_differs_there_is_no_table():
    assert shown(TAU, signals=(MILESTONES,)).splitlines()[:4] == [
        "Compared: growth (old) and growth-2 (new)",
        "The same in all 1,200 values: 1 KPI.",
        "Not compared: 1 value whose period is over for only one of them.",
        "The same under both: 3 signals.",
    ]
    assert "No value is final yet." in shown()
    since = "2025-12-01T09:30:00.000Z"
    assert "Signals before 2025-12-01 09:30 are not compared" in shown(TAU, since=since)


def test_it_says_how_to_go_over():
    lines = shown(TAU).splitlines()
    assert "1. Set `prefix: growth-2` in the plan." in lines
    assert any("over to growth-2.kpis, growth-2.signals and growth-2.alerts" in s for s in lines)
    assert any(line.startswith("4. Stop the workers of growth.") for line in lines)


@pytest.mark.parametrize(
    ("example", "line"),
    [
        (EXAMPLE, "wau of company, week from 2026-03-02: 12 -> 13.5"),
        (
            Example(
                "n=7", "acme\x1b[2J", "role=dev", "hour", START[:11] + "09:00:00.000Z", None, 0
            ),
            "wau n=7 of company acme\x1b[2J, role=dev, hour from 2026-03-02 09:00: nothing -> 0",
        ),
    ],
)
def test_a_value_is_told_with_its_place(example: Example, line: str):
    assert told(WAU, example) == line


def test_ids_do_not_talk_to_the_terminal():
    example = EXAMPLE._replace(subject="[red]acme\x1b[2J")
    text = shown(KpiDifference("wau", "account", Counter(different=1), [example]))
    assert "wau of account [red]acme?[2J, week" in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--backfill", "new", "--until", "2026-03-01"], "goes with neither --until nor --accept"),
        (["--backfill", "new", "--accept-plan"], "goes with neither --until nor --accept-plan"),
        (["--backfill", "no prefix"], "--backfill 'no prefix': a prefix has letters, digits"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: list[str], says: str, tmp_path: Path):
    plan = tmp_path / "plan.yaml"
    plan.write_text("product: P\nactivity: all\ninputs: [{topic: t, format: segment}]\n")
    result = CliRunner().invoke(
        main, ["run", "--plan", str(plan), "--bootstrap-servers", "127.0.0.1:1", *arguments]
    )
    assert result.exit_code == 2
    assert says in result.output
