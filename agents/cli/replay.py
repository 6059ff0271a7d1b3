"""`headwater replay`: files of events in, files of numbers out, and a summary on the screen."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agents.cli.options import Moment, check_key, http_option, plan_in, plan_option
from agents.cores import PROCESSES_MAX, processes_for

if TYPE_CHECKING:
    from agents.replay import Progress
    from agents.web import Address
    from schemas.plan.models import Input, Plan


@click.command(short_help="Compute every number from files of events.")
@click.argument(
    "files",
    metavar="[INPUT=]FILE...",
    nargs=-1,
    required=True,
)
@plan_option
@click.option(
    "--out",
    metavar="FOLDER",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the results go; created if need be, earlier results are replaced.",
)
@click.option(
    "--until",
    "until_ms",
    metavar="TIME",
    type=Moment(),
    help="Let time stand here at the end, so that everything before is final; by default at the "
    "end of the newest event's day (UTC).",
)
@click.option(
    "--input",
    "named",
    metavar="INPUT",
    help="Which input of the plan the files without one are of, if it has several: its name, or "
    "its topic.",
)
@click.option(
    "--processes",
    metavar="N",
    type=click.IntRange(1),
    help="How many processes share the work; by default as many as there are cores, up to "
    f"{PROCESSES_MAX}, and one where little is to be read.",
)
@click.option(
    "--state",
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the state here while running: the same command continues a run that was killed.",
)
@click.option(
    "--costs",
    "with_costs",
    is_flag=True,
    help="Say what the state of each operator costs; summary.json has it for each measure and KPI.",
)
@http_option
def replay(
    files: tuple[str, ...],
    plan_file: Path,
    out: Path,
    until_ms: int | None,
    named: str | None,
    processes: int | None,
    state: Path | None,
    with_costs: bool,
    http: Address | None,
) -> None:
    """Compute every number from FILEs of events, as fast as this machine can.

    A file has one event a line, plain or as .gz or .zst. If the plan has several inputs, the
    name of its input and = stand before a FILE, which may have * in it then. The agents are those
    of `headwater run`, in this process and without Kafka, so the results are the same.

    \b
    FOLDER will have
      kpis.jsonl          values, one a line; the last line of a key holds
      lists.jsonl         rankings, likewise
      signals.jsonl       activations, milestones, and signals taken back
      alerts.jsonl        alerts
      dead_letters.jsonl  what could not be read, and why
      receipts.jsonl      who was erased, if the plan has `erasure`
      summary.json        counts, speed, and the activation lag over the whole log

    \b
    Examples:
      headwater replay events.jsonl.gz --plan plan.yaml --out numbers
      headwater replay 2026-0*.jsonl --plan plan.yaml --out numbers --until 2026-04-01
      headwater replay years.jsonl.zst --plan plan.yaml --out numbers --state unfinished
      headwater replay product-events=may.jsonl billing=may-*.csv --plan plan.yaml --out numbers
    """
    plan = plan_in(plan_file)
    check_key(plan)
    found = list(_files(plan, files, named))
    paths, inputs = [path for path, _ in found], [input for _, input in found]

    from agents.checkpoints import StopWorker
    from agents.checkpoints.journal import StateError
    from agents.cli.summary import series_shown, show_summary
    from agents.collector import stop_the_collector
    from agents.files import UnreadableFileError
    from agents.replay import replay_files
    from agents.results import OutputError
    from streams.erasure import AnotherKey

    # What ends a run is told once, below, and not by the worker's log too.
    logging.getLogger("agents").addHandler(logging.NullHandler())
    stop_the_collector()
    try:
        with _progress_bar() as on_progress:
            done = replay_files(
                paths,
                plan,
                out,
                until_ms,
                on_progress,
                inputs=inputs,
                show=series_shown(plan),
                processes=processes_for(paths, processes),
                state=state,
                on_continue=_say_continuing,
                http=http,
                with_costs=with_costs,
            )
    except (UnreadableFileError, OutputError, StateError, StopWorker, AnotherKey) as error:
        raise click.ClickException(str(error)) from None
    show_summary(done, plan, out)
    if done.costs is not None:
        from agents.cli.costs import show_costs

        show_costs(done.costs)


def _say_continuing(lines: int) -> None:
    click.echo(f"Continuing an interrupted run behind its first {lines:,} lines.", err=True)


def _files(plan: Plan, files: Sequence[str], named: str | None) -> Iterator[tuple[Path, Input]]:
    """The files, each with the input that it is written like."""
    inputs = {input.topic: input for input in plan.inputs}
    inputs |= {input.name: input for input in plan.inputs}
    known = ", ".join(input.name for input in plan.inputs)
    if named is not None and named not in inputs:
        raise click.BadParameter(
            f"the plan has no input {named}, only {known}", param_hint="--input"
        )
    for file in files:
        name, _, path = file.partition("=")
        if path and name in inputs:
            for each in _fitting(path):
                yield each, inputs[name]
        elif path and not Path(file).exists():
            raise click.BadParameter(
                f"{file}: the plan has no input {name}, only {known}", param_hint="FILE"
            )
        elif named is None and len(plan.inputs) > 1:
            raise click.UsageError(
                f"The plan has several inputs ({known}): say of which {file} is, such as "
                f"{plan.inputs[0].name}={file}, or with --input of which all these files are."
            )
        else:
            input = plan.inputs[0] if named is None else inputs[named]
            yield _existing_file(file), input


def _fitting(path: str) -> list[Path]:
    """The file, or all that a path with * fits: behind a name no shell looks for them."""
    found = [] if Path(path).exists() else sorted(glob(path))
    return [_existing_file(each) for each in found or [path]]


def _existing_file(path: str) -> Path:
    return Path(str(click.Path(exists=True, dir_okay=False).convert(path, None, None)))


@contextmanager
def _progress_bar() -> Iterator[Callable[[Progress], None] | None]:
    """On a terminal: bytes read of all, events, events/s and the time left."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (
        TextColumn("[cyan]{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[events]:,} events"),
        TextColumn("[green]{task.fields[speed]:,.0f}/s"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("Replaying", total=None, events=0, speed=0.0)

        def show(progress: Progress) -> None:
            elapsed_s = bar.tasks[0].elapsed or 0.0
            speed = progress.events / elapsed_s if elapsed_s else 0.0
            bar.update(
                task,
                description=(
                    "Replaying" if progress.bytes_read < progress.bytes_total else "Finishing"
                ),
                completed=progress.bytes_read,
                total=progress.bytes_total or None,
                events=progress.events,
                speed=speed,
            )

        yield show
