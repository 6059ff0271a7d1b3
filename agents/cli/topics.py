"""`headwater topics`: the topics between the stages and for the results, made and checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click

from agents.cli.options import kafka_options, plan_in, plan_option, settings_in


def partition_options(command: Callable[..., None]) -> Callable[..., None]:
    """How many partitions the stages have."""
    for stage in ("tallies", "users", "accounts"):
        option = click.option(
            f"--{stage}",
            metavar="N",
            type=click.IntRange(min=1),
            help=f"Partitions of the stage {stage}.",
        )
        command = option(command)
    return command


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
@partition_options
def create(
    plan_file: Path,
    bootstrap_servers: str | None,
    kafka: tuple[str, ...],
    replication: int | None,
    **counts: int | None,
) -> None:
    """Create the topics that do not exist yet. Those that exist stay as they are.

    A stage can be shared by as many workers as it has partitions: accounts and users by 4, tallies
    by 2, unless you say so.

    \b
    Examples:
      headwater topics create --plan plan.yaml --bootstrap-servers localhost:9092
      headwater topics create --plan plan.yaml --accounts 16 --users 16
    """
    plan = plan_in(plan_file)
    settings = settings_in(bootstrap_servers, kafka)

    from agents.service import create_topics
    from agents.topics import BROKER_DEFAULT
    from streams.topology import Partitions

    asked = _given(counts)
    wanted = Partitions()._replace(**asked) if asked else None
    with telling_topic_errors():
        created = create_topics(
            plan, settings, BROKER_DEFAULT if replication is None else replication, wanted
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

    from agents.service import plans_of

    inputs = [input.topic for input in plan.inputs]
    with telling_topic_errors():
        plans_of(plan, settings, inputs)
    click.echo(f"All topics of prefix {plan.prefix} and {', '.join(inputs)} are as they must be.")


@topics.command()
@plan_option
@kafka_options
def drain(plan_file: Path, bootstrap_servers: str | None, kafka: tuple[str, ...]) -> None:
    """Let the stages finish what they have told each other, and read no input.

    For the release that ran so far, before one that says so takes over. All workers have to be
    stopped.

    \b
    Example:
      headwater topics drain --plan plan.yaml --bootstrap-servers localhost:9092
    """
    plan = plan_in(plan_file)
    settings = settings_in(bootstrap_servers, kafka)

    from agents.service import drain_prefix

    with telling_topic_errors():
        drain_prefix(plan, settings)
    click.echo(f"Nothing is under way between the stages of {plan.prefix}.")


@topics.command()
@plan_option
@kafka_options
@partition_options
def reshard(
    plan_file: Path, bootstrap_servers: str | None, kafka: tuple[str, ...], **counts: int | None
) -> None:
    """Give the stages more partitions, and move their state.

    All workers have to be stopped; start them again afterwards. Numbers can only grow. Interrupted
    at any point, run it again: it finishes, and until then no worker starts.

    \b
    Example:
      headwater topics reshard --plan plan.yaml --accounts 32 --users 32
    """
    plan = plan_in(plan_file)
    settings = settings_in(bootstrap_servers, kafka)
    asked = _given(counts)
    if not asked:
        raise click.UsageError("say what is to change: --accounts, --users or --tallies")

    from agents.service import reshard_prefix

    with telling_topic_errors():
        partitions = reshard_prefix(plan, asked, settings)
    told = ", ".join(f"{stage} {count}" for stage, count in partitions._asdict().items())
    click.echo(f"The stages of {plan.prefix} have these partitions now: {told}.")


def _given(counts: Mapping[str, int | None]) -> dict[str, int]:
    return {stage: count for stage, count in counts.items() if count is not None}


@contextmanager
def telling_topic_errors() -> Iterator[None]:
    """Ends the command with the words of what stood in its way."""
    from agents.checkpoints import StopWorker
    from agents.maintenance import MaintenanceError
    from agents.privacy_key import KeyInvalid
    from agents.topics import TopicError
    from schemas.batches import UnknownBatchVersion
    from streams.erasure import AnotherKey
    from streams.state_keys import UnknownStateVersion

    known = (
        *(TopicError, StopWorker, MaintenanceError, KeyInvalid),
        *(AnotherKey, UnknownBatchVersion, UnknownStateVersion),
    )
    try:
        yield
    except known as error:
        raise click.ClickException(str(error)) from None
