"""`headwater alerts`: what the rules of a plan have to say, in the terminal and delivered."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click
import orjson

from agents.cli.options import (
    EXIT_BAD_USAGE,
    Beginning,
    Moment,
    kafka_options,
    plan_in,
    plan_option,
    report_problems,
    service_http_option,
    settings_in,
)
from schemas.plan.models import Severity

if TYPE_CHECKING:
    from schemas.plan.models import Plan
    from schemas.sinks import Sink

STATES = ("firing", "resolved", "disproved")
COLOURS = {"critical": "red", "warning": "yellow", "info": "cyan"}


@click.group()
def alerts() -> None:
    """Alerts: when somebody should look, by the rules of the plan."""


@alerts.command()
@plan_option
@kafka_options
@click.option("--rule", metavar="ID", multiple=True, help="Of this rule only; may be repeated.")
@click.option(
    "--severity",
    type=click.Choice(get_args(Severity)),
    multiple=True,
    help="Of this severity only; may be repeated.",
)
@click.option("--account", metavar="ID", multiple=True, help="Of this account only.")
@click.option("--state", type=click.Choice(STATES), multiple=True, help="In this state only.")
@click.option(
    "--since",
    "since_ms",
    metavar="TIME",
    type=Moment(),
    help="Written from then on; by default from now on.",
)
@click.option("--all", "everything", is_flag=True, help="All that the topic keeps.")
@click.option("--no-follow", is_flag=True, help="End with what is there.")
@click.option("--json", "as_json", is_flag=True, help="The records as they are, one a line.")
def tail(
    plan_file: Path,
    kafka: tuple[str, ...],
    bootstrap_servers: str | None,
    rule: tuple[str, ...],
    severity: tuple[str, ...],
    account: tuple[str, ...],
    state: tuple[str, ...],
    since_ms: int | None,
    everything: bool,
    no_follow: bool,
    as_json: bool,
) -> None:
    """Show alerts as they come, until Ctrl-C.

    \b
    Examples:
      headwater alerts tail --plan plan.yaml --bootstrap-servers localhost:9092
      headwater alerts tail --plan plan.yaml --all --no-follow --severity critical
      headwater alerts tail --plan plan.yaml --since 2026-03-01 --account acct-002 --json
    """
    plan, settings = plan_in(plan_file), settings_in(bootstrap_servers, kafka)

    from agents.alert_topic import AlertTopicError, alerts_in
    from agents.topics import topic_name
    from schemas.outputs import ALERTS

    if everything:
        since_ms = None
    elif since_ms is None:
        since_ms = round(time.time() * 1000)
    wanted = filtering(rule, severity, account, state)
    found = alerts_in(
        topic_name(plan.prefix, ALERTS),
        settings.bootstrap_servers,
        settings.security(),
        since_ms=since_ms,
        follow=not no_follow,
    )
    try:
        with suppress(KeyboardInterrupt):
            for event in found:
                if wanted(event["data"]):
                    click.echo(orjson.dumps(event) if as_json else line_of(event["data"]))
    except AlertTopicError as error:
        raise click.ClickException(str(error)) from None


@alerts.command()
@click.argument(
    "sinks_file",
    metavar="SINKS",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@plan_option
@kafka_options
@service_http_option
@click.option(
    "--from",
    "from_ms",
    metavar="TIME",
    type=Beginning(),
    default=lambda: round(time.time() * 1000),
    help="Where a new sink begins: `earliest`, or with alerts written from a time on; by default "
    "now. One that was there before goes on where it was.",
)
@click.option("-v", "--verbose", is_flag=True, help="Log more than warnings.")
def deliver(
    sinks_file: Path,
    plan_file: Path,
    kafka: tuple[str, ...],
    bootstrap_servers: str | None,
    http: str | None,
    from_ms: int | None,
    verbose: bool,
) -> None:
    """Send alerts to the sinks of a YAML file, until SIGTERM or Ctrl-C.

    Every alert reaches every sink that wants it, at least once; a copy has the same id. A sink that
    fails is tried again and again, and holds up no other one. What it does not take in the end is
    on the topic `<prefix>.undelivered-alerts`.

    \b
    Examples:
      headwater alerts deliver sinks.yaml --plan plan.yaml --bootstrap-servers localhost:9092
      headwater alerts deliver sinks.yaml --plan plan.yaml --from 2026-03-01 --http 127.0.0.1:9466
    """
    plan, settings = plan_in(plan_file), settings_in(bootstrap_servers, kafka, http=http)
    sinks = _sinks_in(sinks_file, plan)

    from agents.cli.topics import telling_topic_errors
    from agents.delivery.deliverer import deliver as deliver_to
    from agents.log_lines import log_to_standard_error

    log_to_standard_error(verbose=verbose)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with telling_topic_errors():
        deliver_to(plan, sinks, settings, from_ms=from_ms, stop=stop)


def _sinks_in(file: Path, plan: Plan) -> dict[str, Sink]:
    """The sinks in a file; on mistakes in it all are reported and the command ends."""
    from schemas.plan.check import PlanInvalid
    from schemas.sinks import load_sinks

    try:
        return load_sinks(file, os.environ, plan)
    except PlanInvalid as invalid:
        report_problems(invalid, file)
        raise click.exceptions.Exit(EXIT_BAD_USAGE) from None
    except OSError as error:
        raise click.UsageError(f"{file} cannot be read: {error.strerror}") from None


def filtering(
    rule: tuple[str, ...],
    severity: tuple[str, ...],
    account: tuple[str, ...],
    state: tuple[str, ...],
) -> Callable[[Mapping[str, Any]], bool]:
    """Whether the data of an alert is of one of each that is given."""
    asked = {"rule": rule, "severity": severity, "account": account, "state": state}
    given = {field: values for field, values in asked.items() if values}
    return lambda data: all(data[field] in values for field, values in given.items())


def line_of(data: Mapping[str, Any]) -> str:
    """An alert in one line; colours fall away where there is no terminal."""
    firing = data["state"] == "firing"
    state = click.style(
        f"{data['state']:<9}", fg=COLOURS[data["severity"]] if firing else None, bold=firing
    )
    at = str(data["at"])[:16].replace("T", " ")
    # Ids come from events, and so from anybody: they may not talk to the terminal.
    title = "".join(c if c.isprintable() else "?" for c in str(data["title"]))
    held = " (held back)" if data["held_back"] else ""
    return f"{state}  {at}  {data['severity']:<8}  {data['rule']}: {title}{held}"
