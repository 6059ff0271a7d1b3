"""`headwater demo`: a company's growth, live in the terminal, with nothing to set up."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agents.cli.options import http_option, plan_in

if TYPE_CHECKING:
    from rich.live import Live

    from agents.cli.live import View
    from agents.web import Address

PLAN = Path(__file__).resolve().parents[2] / "plans" / "demo.yaml"
SAID_EVERY_S = 5.0
"""Without a terminal, a line of progress so often."""


@click.command(short_help="A company's growth, live, with nothing to set up.")
@click.option(
    "--seconds", metavar="N", type=click.FloatRange(1), default=60.0, help="How long it takes (60)."
)
@click.option(
    "--days", metavar="N", type=click.IntRange(7, 365), default=90, help="Days of the company (90)."
)
@click.option("--seed", metavar="N", type=int, default=7, help="Another seed, another company (7).")
@click.option(
    "--plan",
    "plan_file",
    metavar="PLAN",
    default=PLAN,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Another plan for the same events, to try rules; by default plans/demo.yaml.",
)
@http_option
def demo(seconds: float, days: int, seed: int, plan_file: Path, http: Address | None) -> None:
    """Watch a simulated company grow: ninety days in a minute, through the agents of `headwater
    run`, in this process and without Kafka. Some things go wrong on purpose; at the end it says
    which alert found which. Ctrl-C ends it early.

    \b
    Examples:
      headwater demo
      headwater demo --seconds 20 --seed 3
      headwater demo --http 127.0.0.1:9464      and in another terminal: curl localhost:9464/metrics
    """
    from rich.console import Console
    from rich.live import Live

    from agents.cli.live import View
    from agents.company import sample_lines
    from agents.live_company import LiveCompany

    plan = plan_in(plan_file)
    logging.getLogger("agents").addHandler(logging.NullHandler())
    console = Console(highlight=False)
    company = LiveCompany(list(sample_lines(seed, days=days)), plan, days, seconds)
    view = View(plan, company, days, console)
    live = Live(console=console, auto_refresh=False) if console.is_terminal else None
    show = _Ticks(view, live)
    with live or nullcontext():
        with suppress(KeyboardInterrupt):
            asyncio.run(company.run(view.take, show, http))
        show.last()
    console.print(view.ending())


class _Ticks:
    """Shows the view as it moves: as a picture on a terminal, else a line now and then."""

    def __init__(self, view: View, live: Live | None) -> None:
        self._view, self._live = view, live
        self._said_s = time.monotonic()

    def __call__(self) -> None:
        if self._live is not None:
            self._live.update(self._view.picture(), refresh=True)
        elif time.monotonic() - self._said_s >= SAID_EVERY_S:
            self._said_s = time.monotonic()
            click.echo(self._view.line())

    def last(self) -> None:
        """The end is shown in any case."""
        if self._live is not None:
            self._live.update(self._view.picture(), refresh=True)
        else:
            click.echo(self._view.line())
