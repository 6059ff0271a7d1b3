"""`headwater topics`: the topics between the stages and for the results, made and checked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from agents.cli.options import kafka_options, plan_in, plan_option, settings_in


@click.group()
def topics() -> None:
    """The topics that Headwater owns: between its stages, for its state, for its results.

    Their names begin with the plan's `prefix`. The company's own topics, which the plan reads, are
    never created or changed.
    """


@topics.command()
@plan_option
@kafka_options
@click.option(
    "--replication",
    metavar="N",
    type=click.IntRange(min=1),
    help="Copies of each partition; by default the broker decides.",
)
def create(
    plan_file: Path,
    bootstrap_servers: str | None,
    kafka: tuple[str, ...],
    replication: int | None,
) -> None:
    """Create the topics that do not exist yet. Those that exist stay as they are.

    \b
    Example:
      headwater topics create --plan plan.yaml --bootstrap-servers localhost:9092
    """
    plan = plan_in(plan_file)
    settings = settings_in(bootstrap_servers, kafka)

    from agents.topics import BROKER_DEFAULT
    from agents.topics import create as create_topics

    with telling_topic_errors():
        created = create_topics(
            settings.bootstrap_servers,
            plan.prefix,
            BROKER_DEFAULT if replication is None else replication,
            security=settings.security(),
        )
    for name in created:
        click.echo(f"created {name}")
    if not created:
        click.echo(
            f"All topics of prefix {plan.prefix} exist; `headwater topics check` tests them."
        )


@topics.command()
@plan_option
@kafka_options
def check(plan_file: Path, bootstrap_servers: str | None, kafka: tuple[str, ...]) -> None:
    """Say what is wrong with the topics, and what to do about it. Exit code 1 if anything is.

    \b
    Example:
      headwater topics check --plan plan.yaml --bootstrap-servers localhost:9092
    """
    plan = plan_in(plan_file)
    settings = settings_in(bootstrap_servers, kafka)

    from agents.topics import check as differences_of

    inputs = [input.topic for input in plan.inputs]
    with telling_topic_errors():
        differences = differences_of(
            settings.bootstrap_servers, plan.prefix, inputs, security=settings.security()
        )
    if differences:
        raise click.ClickException("\n".join(each.sentence for each in differences))
    click.echo(f"All topics of prefix {plan.prefix} and {', '.join(inputs)} are as they must be.")


@contextmanager
def telling_topic_errors() -> Iterator[None]:
    """Ends the command with the words of a TopicError."""
    from agents.topics import TopicError

    try:
        yield
    except TopicError as error:
        raise click.ClickException(str(error)) from None
