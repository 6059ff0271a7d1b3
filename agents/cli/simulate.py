"""`headwater simulate`: the calls of a company that does not exist, into a file or a topic."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click
import orjson

from agents.cli.options import kafka_options, settings_in
from agents.company import ACCOUNTS, DAYS, incidents, sample_lines, write_lines

AT_ONCE_S = 0.05


@click.command(short_help="Generate the events of a believable company.")
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write them here, one a line; a name ending in .gz is compressed.",
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

    \b
    Examples:
      headwater simulate --out events.jsonl.gz --incidents incidents.json
      headwater simulate --topic product-events --bootstrap-servers localhost:9092 --rate 500
    """
    if (out is None) == (topic is None):
        raise click.UsageError("Say with --out or with --topic where the events are to go.")
    if incident_file is not None:
        records = [incident.record() for incident in incidents(days)]
        incident_file.write_bytes(orjson.dumps(records, option=orjson.OPT_INDENT_2) + b"\n")
    lines = list(sample_lines(seed, accounts, days))
    if out is not None:
        write_lines(out, lines)
        click.echo(f"{len(lines):,} events in {out}")
    else:
        assert topic is not None
        settings = settings_in(bootstrap_servers, kafka)
        _send(lines, settings.of_worker("headwater-simulate").client(), topic, rate)


def _send(lines: list[bytes], client: dict[str, Any], topic: str, rate: float) -> None:
    """Sends at a steady rate; ends when all are with the broker."""
    from confluent_kafka import KafkaException, Producer

    failed: list[str] = []

    def told(error: object, _: object) -> None:
        if error is not None:
            failed.append(str(error))

    producer = Producer(client | {"enable.idempotence": True})
    started_s = time.monotonic()
    for number, line in enumerate(lines):
        while number > (time.monotonic() - started_s) * rate:
            producer.poll(AT_ONCE_S)
        try:
            producer.produce(topic, line, on_delivery=told)
        except (BufferError, KafkaException) as error:
            raise click.ClickException(f"{topic} takes no events: {error}") from None
        if failed:
            break
    producer.flush()
    if failed:
        raise click.ClickException(f"{topic} takes no events: {failed[0]}")
    click.echo(f"{len(lines):,} events sent to {topic}")
