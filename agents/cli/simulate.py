"""`headwater simulate`: the calls of a company that does not exist, into a file or a topic."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import click
import orjson

from agents.cli.options import kafka_options, plan_in, settings_in
from agents.company import ACCOUNTS, DAYS, SYSTEMS, arrivals, incidents, write_lines
from agents.company.streams import Sent, UnknownSystemError, split
from schemas.plan.models import Plan

AT_ONCE_S = 0.05


@click.command(short_help="Generate the events of a believable company.")
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write them here, one a line; a name ending in .gz is compressed. With --plan a folder.",
)
@click.option(
    "--plan",
    "plan_file",
    metavar="PLAN",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Give each of its inputs a stream of its own: what billing, support, sales, marketing, "
    "success, outcomes and operations say goes to the input of that name, all else to the first. "
    "Without --out to the topics of the inputs.",
)
@kafka_options
@click.option("--topic", metavar="TOPIC", help="Send them to this topic instead of a file.")
@click.option(
    "--rate", metavar="N", type=click.FloatRange(0.1), default=200.0, help="Events/s to send (200)."
)
@click.option("--days", metavar="N", type=click.IntRange(1, 3650), default=DAYS, show_default=True)
@click.option(
    "--accounts", metavar="N", type=click.IntRange(3), default=ACCOUNTS, show_default=True
)
@click.option("--seed", metavar="N", type=int, default=7, show_default=True)
@click.option(
    "--incidents",
    "incident_file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write what goes wrong on purpose here, as JSON.",
)
def simulate(
    out: Path | None,
    plan_file: Path | None,
    kafka: tuple[str, ...],
    bootstrap_servers: str | None,
    topic: str | None,
    rate: float,
    days: int,
    accounts: int,
    seed: int,
    incident_file: Path | None,
) -> None:
    """Generate the events of a company that makes reports: sign-ups, invitations, teams that grow
    and teams that leave, and some incidents. plans/demo.yaml says what they mean.

    The events are Segment's calls from 1 September 2025 on. One seed always gives the same ones.
    plans/demo-systems.yaml reads what each system says from a stream of its own.

    \b
    Examples:
      headwater simulate --out events.jsonl.gz --incidents incidents.json
      headwater simulate --topic product-events --bootstrap-servers localhost:9092 --rate 500
      headwater simulate --plan plans/demo-systems.yaml --out streams
      headwater simulate --plan plans/demo-systems.yaml --bootstrap-servers localhost:9092
    """
    if plan_file is not None and topic is not None:
        raise click.UsageError("With --plan the topics are those of its inputs: leave out --topic.")
    if plan_file is None and (out is None) == (topic is None):
        raise click.UsageError("Say with --out or with --topic where the events are to go.")
    if incident_file is not None:
        records = [incident.record() for incident in incidents(days)]
        incident_file.write_bytes(orjson.dumps(records, option=orjson.OPT_INDENT_2) + b"\n")
    log = arrivals(seed, accounts, days)
    if plan_file is not None:
        plan = plan_in(plan_file)
        try:
            sent = list(split(log, plan, SYSTEMS))
        except UnknownSystemError as why:
            raise click.ClickException(str(why)) from None
        if out is not None:
            _write(sent, plan, out)
            return
        to_send = [(each.input.topic, each.line) for each in sent]
    elif out is not None:
        write_lines(out, (each.line for each in log))
        click.echo(f"{len(log):,} events in {out}")
        return
    else:
        assert topic is not None
        to_send = [(topic, each.line) for each in log]
    settings = settings_in(bootstrap_servers, kafka)
    _send(to_send, settings.of_worker("headwater-simulate").client(), rate)


def _write(sent: list[Sent], plan: Plan, folder: Path) -> None:
    """A file for each input."""
    folder.mkdir(parents=True, exist_ok=True)
    streams: dict[str, list[bytes]] = {input.name: [] for input in plan.inputs}
    for each in sent:
        streams[each.input.name].append(each.line)
    for name, lines in streams.items():
        path = folder / f"{name}.jsonl"
        write_lines(path, lines)
        click.echo(f"{len(lines):,} events in {path}")


def _send(to_send: list[tuple[str, bytes]], client: dict[str, Any], rate: float) -> None:
    """Sends at a steady rate, each to its topic; ends when all are with the broker."""
    from confluent_kafka import KafkaException, Producer

    failed: list[str] = []
    counts: Counter[str] = Counter()

    def told(error: object, message: Any) -> None:
        if error is not None:
            failed.append(f"{message.topic()} takes no events: {error}")

    producer = Producer(client | {"enable.idempotence": True})
    started_s = time.monotonic()
    for number, (topic, line) in enumerate(to_send):
        while number > (time.monotonic() - started_s) * rate:
            producer.poll(AT_ONCE_S)
        try:
            producer.produce(topic, line, on_delivery=told)
        except (BufferError, KafkaException) as error:
            raise click.ClickException(f"{topic} takes no events: {error}") from None
        counts[topic] += 1
        if failed:
            break
    producer.flush()
    if failed:
        raise click.ClickException(failed[0])
    for topic, count in counts.items():
        click.echo(f"{count:,} events sent to {topic}")
