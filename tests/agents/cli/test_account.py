"""`headwater account`: asked of real workers' pages, over real HTTP."""

from __future__ import annotations

import asyncio
import io
from typing import Any, cast

import orjson
import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from agents.cli import main
from agents.cli.account import show
from agents.monitor import Monitor
from agents.pace import Pace
from agents.web import Address, found, serving
from agents.worker import StageSpec, Worker
from deploy.kafka.local_broker import free_ports
from tests.agents.test_worker import NOW_MS, Store
from tests.streams.test_account_view import (
    EVENTS,
    HISTORY,
    partition_after,
    shown_with_history,
)
from tests.streams.test_hosting import USES, engine_of, merge, seen


def asked(monkeypatch: pytest.MonkeyPatch, *arguments: str, shows: bool = True) -> Result:
    """Runs the command beside a worker that has one partition of accounts; @ is its address."""
    accounts = partition_after(EVENTS, warm=1000)
    monkeypatch.setattr(Worker, "partitions", lambda _: {"accounts": accounts})

    async def scenario() -> Result:
        (port,) = free_ports(1)
        stage = StageSpec("accounts", ["activity"], 1, lambda _: accounts)
        monitor = Monitor(slot="w", group="g", show_accounts=shows)
        worker = Worker([stage], Store(), prefix="t", clock=lambda: NOW_MS, pace=Pace())
        monitor.watch(worker, dict)
        async with monitor.telling(Address("127.0.0.1", port)):
            there = [each.replace("@", f"127.0.0.1:{port}") for each in arguments]
            result = await asyncio.to_thread(CliRunner().invoke, main, ["account", *there])
        worker.failure.cancel()
        return result

    return asyncio.run(scenario())


def test_an_account_is_shown_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    result = asked(monkeypatch, "a1", "--at", "@")

    assert result.exit_code == 0, result.output
    for text in (
        "a1 as of 2026-03-04 09:00 UTC",
        "plan change since 2026-03-02 09:00: seat_limit 10, tier trial",
        "in pql accounts since 2026-03-02 12:00",
        "a1: pql_accounts.enter",
        "2 users",
        "newest final values",
    ):
        assert text in result.output


def test_milestones_first_uses_and_last_events_are_shown_in_words() -> None:
    console = Console(highlight=False, width=200, file=io.StringIO())
    show(shown_with_history(HISTORY, warm=1000), console)
    said = cast(io.StringIO, console.file).getvalue()
    for text in (
        "account user milestones: 1 on 2026-03-02, 2 on 2026-03-02",
        "first used: share 2026-03-02, board 2026-03-02",
        "2026-03-03 13:00  u2    feature board",
        "2026-03-03 12:00  -     plan change",
        "u1    2026-03-02   1           2026-03-02 11:00  owner",
    ):
        assert text in said, said


@pytest.mark.parametrize(
    ("account", "text"),
    [
        ("a1", "belongs to a2, and counts there: headwater account a2"),
        ("a2", "joined with a1"),
    ],
)
def test_both_of_two_accounts_that_merged_lead_to_each_other(account: str, text: str) -> None:
    engine = engine_of(*USES, merge(9, "a1", "a2"))
    console = Console(highlight=False, width=200, file=io.StringIO())
    show(seen(engine, account), console)
    assert text in cast(io.StringIO, console.file).getvalue()


def test_what_the_worker_says_is_given_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    result = asked(monkeypatch, "a1", "--at", "@", "--json")

    view: dict[str, Any] = orjson.loads(result.output)
    assert view["users"] == 2
    assert set(view) >= {"members", "states", "memberships", "alerts", "values"}


def test_of_several_workers_the_one_that_knows_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_: object) -> Any:
        return found("", well=True)._replace(
            status="404 Not Found", content_type="application/json", body=b"{}"
        )

    with serving(Address("127.0.0.1", 0), {"/accounts/": unknown}) as other:
        result = asked(monkeypatch, "a1", "--at", f"127.0.0.1:{other}", "--at", "@")

    assert result.exit_code == 0, result.output
    assert "2 users" in result.output


@pytest.mark.parametrize(
    ("arguments", "shows", "reason"),
    [
        (("a/ü", "--at", "@"), True, "no worker that was asked knows 'a/ü'"),
        (("a1", "--at", "@"), False, "shows no accounts: start it with --show-accounts"),
        (("a1", "--at", "127.0.0.1:1"), True, "127.0.0.1:1 does not answer"),
        (("a1", "--at", "no such:place:x"), True, "no such:place:x"),
    ],
)
def test_who_does_not_know_it_is_told_why(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], shows: bool, reason: str
) -> None:
    result = asked(monkeypatch, *arguments, shows=shows)

    assert result.exit_code == 1
    assert reason in result.output
