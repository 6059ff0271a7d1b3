"""`headwater plan`: check a plan, propose one from a sample of events, print its JSON Schema."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape

from agents.cli.options import notes, plan_in
from agents.files import UnreadableFileError, read_records
from schemas.events import Event, Rejected
from schemas.formats import Format, format_named
from schemas.plan import Plan, plan_hash
from schemas.plan.infer import infer
from schemas.plan.json_schema import plan_json_schema_text
from schemas.plan.models import DEFAULT_INPUT, Input, Limits
from streams.catalogue import catalogue_of
from streams.topology import format_options

SAMPLE_EVENTS = 500_000

_PLAN_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_EVENT_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def plan() -> None:
    """The plan: the YAML file in which you say what your events mean.

    Start with `headwater plan infer events.jsonl > plan.yaml`, correct what it guessed, and let
    `headwater plan check plan.yaml` find what is wrong. docs/plan.md explains every key.
    """


@plan.command()
@click.argument("file", metavar="PLAN", type=_PLAN_FILE)
def check(file: Path) -> None:
    """Report every mistake in PLAN at once, or say what the plan computes.

    Each mistake comes with its line, its place and a suggestion. Exit code 2 if there is any.

    \b
    Example:
      headwater plan check plans/example.yaml
    """
    _describe(plan_in(file), file)


@plan.command("infer")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=_EVENT_FILE)
@click.option(
    "--plan",
    "reader",
    metavar="PLAN",
    type=_PLAN_FILE,
    help="A plan whose first input says how the files are written; by default Segment's calls.",
)
@click.option(
    "--events",
    "most",
    type=click.IntRange(min=1),
    default=SAMPLE_EVENTS,
    show_default=True,
    help="Look at so many events at most.",
)
def infer_plan(files: tuple[Path, ...], reader: Path | None, most: int) -> None:
    """Propose a plan from FILEs of events, with a comment on every guess.

    Reads JSON lines, also in .gz and .zst, and prints YAML to standard output.

    \b
    Examples:
      headwater plan infer events.jsonl.gz > plan.yaml
      headwater plan infer --plan how-to-read.yaml export.jsonl > plan.yaml
    """
    inputs = (DEFAULT_INPUT,) if reader is None else _inputs_of(plan_in(reader))
    rejected: list[Rejected] = []
    events = _events(files, _format(inputs[0]), rejected)
    try:
        with notes().status(f"Reading {len(files)} file{'' if len(files) == 1 else 's'}"):
            proposed = infer(islice(events, most), inputs)
    except UnreadableFileError as error:
        raise click.ClickException(str(error)) from None
    except ValueError:
        _report_rejected(rejected)
        raise click.ClickException("no event could be read from these files") from None
    _report_rejected(rejected)
    if next(events, None) is not None:
        notes().print(f"Looked at the first {most:,} events only; --events takes more.")
    click.echo(proposed, nl=False)


@plan.command()
def schema() -> None:
    """Print the JSON Schema of plans, by which editors complete and check them.

    \b
    Example:
      headwater plan schema > plan.schema.json
    """
    click.echo(plan_json_schema_text(), nl=False)


def _describe(checked: Plan, file: Path) -> None:
    """Says what a good plan computes, and what it leaves idle and why."""
    console = Console(soft_wrap=True, highlight=False)
    catalogue = catalogue_of(checked)
    console.print(f"[green]{escape(str(file))} is a good plan[/] of {escape(checked.product)}.")
    for each in checked.inputs:
        console.print(f"reads      {escape(_told(each))}")
    console.print(
        f"makes      {', '.join(sorted(checked.kinds))} facts by {len(checked.rules)} rules"
    )
    console.print(f"computes   {len(catalogue.rows)} KPIs: {', '.join(catalogue.rows)}")
    if ours := [kpi for kpi in checked.kpis.conditions if kpi in catalogue.rows]:
        console.print(f"conditions {', '.join(ours)}: as the plan says, not the catalogue")
    for kpi, reason in catalogue.idle.items():
        console.print(f"idle       {escape(kpi)}: {escape(reason)}", style="dim")
    console.print(f"hash       {plan_hash(checked)}")


def _inputs_of(reader: Plan) -> tuple[Input, ...]:
    """The first input, and those that a proposal from its events is about, too."""
    first, *others = reader.inputs
    apart = {rule.input for rule in reader.rules}
    alike = [each for each in others if each.name not in apart]
    return (first.model_copy(update={"drives_watermark": True}), *alike)


def _told(input: Input) -> str:
    """An input in a few words; of one like all others just its topic."""
    apart = [
        f"called {input.name}" if input.given_name else "",
        "" if input.format == "segment" else f"as {input.format}",
        "" if input.drives_watermark else "not waited for",
    ]
    words = ", ".join(each for each in apart if each)
    return f"{input.topic} ({words})" if words else input.topic


def _format(how: Input) -> Format:
    return format_named(how.format, format_options(how))


def _events(files: Sequence[Path], written: Format, rejected: list[Rejected]) -> Iterator[Event]:
    """The events of all files; what cannot be read is collected in `rejected`."""
    for record in read_records(files, Limits().event_bytes):
        if record.too_large:
            rejected.append(Rejected("too_large", f"{record.path}, line {record.line}"))
            continue
        for result in written.read(record.value):
            if isinstance(result, Event):
                yield result
            else:
                rejected.append(result)


def _report_rejected(rejected: Sequence[Rejected]) -> None:
    """Says what was left out, with the first reason of each code."""
    reasons: dict[str, str] = {}
    for code, reason in rejected:
        reasons.setdefault(code, reason)
    counts = Counter(code for code, _ in rejected)
    for code, count in counts.most_common():
        notes().print(f"left out: {count:,} with {code} (such as: {escape(reasons[code])})")
