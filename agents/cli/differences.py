"""`headwater run --backfill`: what the new numbers say differently, and how to go over to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click
from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.table import Table

from agents.cli.layout import width_of
from agents.cli.options import EXIT_BAD_USAGE, clean, notes
from agents.cli.topics import telling_topic_errors
from agents.differences import (
    Differences,
    Example,
    KpiDifference,
    SignalDifference,
    read_differences,
)
from schemas.outputs import Number
from schemas.plan.values import Prefix

if TYPE_CHECKING:
    from agents.settings import Settings
    from schemas.plan.models import Plan


def backfill_and_compare(
    plan: Plan,
    prefix: str,
    settings: Settings,
    *,
    from_ms: int | None,
    accept_loss: bool,
    show_accounts: bool,
) -> None:
    """Runs a backfill to its end, and shows what it came to; ends the command where it cannot."""
    from agents.backfill import BackfillRefused, backfill
    from agents.plans import PlanDiffers

    try:
        TypeAdapter(Prefix).validate_python(prefix)
    except ValidationError:
        raise click.UsageError(
            f"--backfill {prefix!r}: a prefix has letters, digits, `.`, `_` and `-` only"
        ) from None
    with telling_topic_errors():
        try:
            complete = backfill(
                plan,
                prefix,
                settings,
                from_ms=from_ms,
                accept_loss=accept_loss,
                show_accounts=show_accounts,
            )
        except (BackfillRefused, PlanDiffers) as error:
            click.echo(f"Error: {error}", err=True)
            raise click.exceptions.Exit(EXIT_BAD_USAGE) from None
        if not complete:
            notes().print("Stopped before the end: the same command goes on from here.")
            return
        differences = read_differences(settings.of_worker(prefix), plan.prefix, prefix)
    show_differences(differences, plan.prefix, prefix)


def show_differences(
    differences: Differences, old: str, new: str, console: Console | None = None
) -> None:
    """Prints what differs, and the steps to go over; without colours where that is no terminal."""
    console = console or Console(highlight=False)
    width_of(console)
    # Lines stay lines, for whoever searches them.
    console.soft_wrap = True
    console.print(f"[bold]Compared[/]: {clean(old)} (old) and {clean(new)} (new)")
    _show_values(differences.kpis, console)
    _show_signals(differences.signals, differences.signals_since, console)
    console.print()
    for line in cut_over(old, new):
        console.print(clean(line))


def _show_values(kpis: Sequence[KpiDifference], console: Console) -> None:
    differing = [each for each in kpis if each.differs]
    if differing:
        console.print(_values_table(differing))
        for each in differing:
            for example in each.examples:
                console.print(f"  {clean(told(each, example))}")
    for line in _rest(kpis):
        console.print(line)


def _values_table(differing: Sequence[KpiDifference]) -> Table:
    table = _table("Values that are final", "KPI", "level")
    for heading in ("equal", "different", "only old", "only new", "not yet"):
        table.add_column(heading, justify="right")
    for each in differing:
        counts = each.counts
        table.add_row(
            clean(each.kpi),
            each.level,
            f"{counts['equal']:,}",
            f"{counts['different']:,}",
            f"{counts['only_old']:,}",
            f"{counts['only_new']:,}",
            f"{counts['unsettled']:,}",
        )
    return table


def told(kpi: KpiDifference, example: Example) -> str:
    """One value that differs, in a line."""
    name = kpi.kpi if example.variant is None else f"{kpi.kpi} {example.variant}"
    of = kpi.level if example.subject is None else f"{kpi.level} {example.subject}"
    segment = "" if example.segment == "all" else f", {example.segment}"
    place = f"{name} of {of}{segment}, {example.period} from {moment(example.start)}"
    return f"{place}: {number(example.old)} -> {number(example.new)}"


def number(value: Number | None) -> str:
    """As it is written on the topic: two numbers that differ never look the same."""
    return "nothing" if value is None else str(value)


def moment(text: str) -> str:
    """A time without what is zero.

    >>> moment("2026-03-01T00:00:00.000Z"), moment("2026-03-01T09:30:00.000Z")
    ('2026-03-01', '2026-03-01 09:30')
    """
    day, _, time = text.partition("T")
    return day if time.startswith("00:00") else f"{day} {time[:5]}"


def _rest(kpis: Sequence[KpiDifference]) -> Iterator[str]:
    """What the table leaves out, in words."""
    same = {each.kpi for each in kpis} - {each.kpi for each in kpis if each.differs}
    values = sum(each.counts["equal"] for each in kpis if each.kpi in same)
    unsettled = sum(each.counts["unsettled"] for each in kpis)
    if same:
        yield f"The same in all {values:,} values: {_counted(len(same), 'KPI')}."
    elif not kpis:
        yield "No value is final yet."
    if unsettled:
        yield (
            f"Not compared: {_counted(unsettled, 'value')} whose period is over for only one of "
            "them."
        )


def _show_signals(signals: Sequence[SignalDifference], since: str, console: Console) -> None:
    differing = [each for each in signals if each.only_old or each.only_new]
    if differing:
        table = _table("Signals that stand", "signal")
        for heading in ("both", "only old", "only new"):
            table.add_column(heading, justify="right")
        for each in differing:
            counts = (each.both, each.only_old, each.only_new)
            table.add_row(clean(each.name), *(f"{count:,}" for count in counts))
        console.print(table)
    if len(differing) < len(signals):
        both = sum(each.both for each in signals if each not in differing)
        others = "other signals" if differing else "signals"
        console.print(f"The same under both: {both:,} {others}.")
    if since:
        console.print(
            f"Signals before {moment(since)} are not compared: their topic does not keep them all."
        )


def cut_over(old: str, new: str) -> list[str]:
    """How to go over, step by step."""
    return [
        "To go over to the new numbers:",
        f"1. Set `prefix: {new}` in the plan.",
        "2. Start workers with it. They go on where this run ended.",
        f"3. Let readers, and `headwater alerts deliver`, go over to {new}.kpis, {new}.signals and "
        f"{new}.alerts.",
        f"4. Stop the workers of {old}. Delete its topics when nobody reads them any more.",
        f"To leave it as it is: delete the topics of {new} and its consumer group, of that name.",
    ]


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _table(title: str, *names: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in names:
        table.add_column(name, overflow="fold")
    return table
