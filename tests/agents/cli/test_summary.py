"""The last words of a replay: numbers in words, and a picture that fits its place."""

import io
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text

from agents.cli.summary import idle_lines, show_summary
from agents.cli.words import sentence, sparkline, spoken
from agents.replay import Summary
from schemas.plan import Plan
from tests.sample_replay import SampleReplay

PLANS = Path(__file__).resolve().parents[3] / "plans"


@pytest.fixture(scope="module")
def plan(sample: SampleReplay) -> Plan:
    return sample.plan


@pytest.fixture(scope="module")
def summary(sample: SampleReplay) -> Summary:
    return sample.summary


def shown(summary: Summary, plan: Plan, console: Console) -> str:
    show_summary(summary, plan, Path("out"), console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_log_gets_plain_lines_of_a_hundred_columns(summary: Summary, plan: Plan) -> None:
    said = shown(summary, plan, Console(file=io.StringIO(), width=60))
    assert "\x1b" not in said
    assert max(map(len, said.splitlines())) == 100
    for title in ("Active users", "Activation", "Retention", "Accounts", "signals"):
        assert title in said
    assert "PQL accounts" in said
    assert re.search(r"risky by mrr  +acct-\d+", said)
    assert "net revenue" in said
    rows = {line.split("  ")[0].strip("│ ") for line in said.splitlines()}
    assert {"7 days", "30 days", "active in 30 days"} <= rows
    assert said.count(" - ") <= 1, "the sample has nearly every number"


def test_a_terminal_gets_colours_and_no_line_is_too_long(summary: Summary, plan: Plan) -> None:
    for width in (80, 100, 240):
        console = Console(file=io.StringIO(), force_terminal=True, width=width)
        said = Text.from_ansi(shown(summary, plan, console)).plain
        assert max(map(len, said.splitlines())) == min(width, 100)
    colours = Console(file=io.StringIO(), force_terminal=True, color_system="standard")
    assert "\x1b[" in shown(summary, plan, colours)


def test_ids_cannot_talk_to_the_terminal(
    summary: Summary, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    signal = {"signal": "x", "variant": None, "account": "a\x1b]0;hi\x07", "user": "[red]"}
    monkeypatch.setattr(
        summary.figures, "newest_signals", lambda _: [signal | {"at": "2026-03-01T10:00:00.000Z"}]
    )
    said = shown(summary, plan, Console(file=io.StringIO()))
    assert "1 Mar 10:00  a?]0;hi? [red] x" in said


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "-"),
        (0, "0 s"),
        (59.4, "59 s"),
        (61, "1 min 1 s"),
        (3600, "1 h"),
        (90_718.5, "1 d 1 h"),
        (86_400 * 40 + 59, "40 d"),
    ],
)
def test_a_span_of_time_is_said_in_two_units(seconds: float | None, words: str) -> None:
    assert spoken(seconds) == words


def test_a_sparkline_reaches_from_nothing_to_the_largest() -> None:
    assert sparkline([0, 1, 2, 4]) == "▁▃▅█"
    assert sparkline([0, 0]) == "▁▁"
    assert sparkline([]) == ""


@pytest.mark.parametrize(
    ("signal", "words"),
    [
        ({"signal": "activated", "evidence": {"lag_seconds": 61}}, "u1 activated after 1 min 1 s"),
        ({"signal": "activated", "evidence": {"lag_seconds": 0}}, "u1 activated at once"),
        ({"signal": "activated", "evidence": {"lag_seconds": None}}, "u1 activated"),
        ({"signal": "account_user_milestones.enter", "variant": "users=1"}, "a1 reached 1 user"),
        (
            {"signal": "account_activated_user_milestones.enter", "variant": "users=3"},
            "a1 reached 3 activated users",
        ),
        ({"signal": "slow_accounts.enter"}, "a1 entered slow accounts"),
        ({"signal": "inactive_users.leave", "account": None}, "u1 left inactive users"),
    ],
)
def test_a_signal_is_a_sentence(signal: dict[str, Any], words: str) -> None:
    assert sentence({"account": "a1", "user": "u1", "variant": None} | signal) == words


def test_what_kpis_wait_for_is_told_briefly() -> None:
    no = "the plan maps no event to "
    idle = {"a": f"{no}x", "b": "switched off in the plan", "c": f"{no}x, y", "d": f"{no}x"}
    assert idle_lines(idle) == [f"3 KPIs: {no}x, y (see `headwater plan check`)"]
    (many,) = idle_lines({str(n): f"{no}k{n}" for n in range(9)})
    assert many == f"9 KPIs: {no}k0, k1, k2, k3 and 5 more (see `headwater plan check`)"
    assert idle_lines({"b": "switched off in the plan"}) == []
