"""`headwater run`: a worker on Kafka."""

from __future__ import annotations

from pathlib import Path

import click

from agents.cli.options import (
    EXIT_BAD_USAGE,
    Beginning,
    Moment,
    check_key,
    kafka_options,
    plan_in,
    plan_option,
    service_http_option,
    settings_in,
)
from streams.warmth import WARM


@click.command(short_help="Work on Kafka: events in, numbers and signals out.")
@plan_option
@kafka_options
@click.option(
    "--slot",
    metavar="NAME",
    help="This worker's place, the same after every restart; one for each worker. By default the "
    "name of the host, or HEADWATER_SLOT.",
)
@service_http_option
@click.option(
    "--show-accounts",
    is_flag=True,
    envvar="HEADWATER_SHOW_ACCOUNTS",
    help="Show single accounts, with the ids of their users, to whoever asks there; see `headwater "
    "account`.",
)
@click.option(
    "--unpacked-members",
    metavar="N",
    type=click.IntRange(min=1),
    default=WARM,
    show_default=True,
    envvar="HEADWATER_UNPACKED_MEMBERS",
    help="How many members of accounts all workers together keep ready: those used last. The rest "
    "takes a tenth of the memory, and more time at its next event.",
)
@click.option(
    "--from",
    "from_ms",
    metavar="TIME",
    type=Beginning(),
    help="Where to begin on the very first run: `earliest`, as by default, or a time of records.",
)
@click.option(
    "--until",
    "until_ms",
    metavar="TIME",
    type=Moment(),
    help="End, with exit code 0, when all records are read; time then stands here.",
)
@click.option(
    "--accept-loss",
    is_flag=True,
    help="Go on although records were deleted before they were read. Numbers will miss them.",
)
@click.option(
    "--accept-plan",
    is_flag=True,
    help="Go over to this plan where the prefix runs under another one. No other worker may run.",
)
@click.option(
    "--backfill",
    "backfill_prefix",
    metavar="NEW_PREFIX",
    help="Make the numbers of this plan anew under a new prefix, from all that its inputs hold, "
    "show how they differ from those under the plan's own prefix, which runs on, and end.",
)
@click.option("-v", "--verbose", is_flag=True, help="Log every assignment and restore.")
def run(
    plan_file: Path,
    bootstrap_servers: str | None,
    kafka: tuple[str, ...],
    slot: str | None,
    http: str | None,
    show_accounts: bool,
    unpacked_members: int,
    from_ms: int | None,
    until_ms: int | None,
    accept_loss: bool,
    accept_plan: bool,
    backfill_prefix: str | None,
    verbose: bool,
) -> None:
    """Read the plan's topics, and keep numbers and signals on topics of the plan's prefix true.

    Start as many workers as you like, on as many machines: they share the partitions. Every event
    counts exactly once, whatever crashes. SIGTERM or Ctrl-C ends a worker after a last checkpoint,
    with exit code 0; started again, it goes on where it was.

    A plan that differs from the one that the prefix runs under is told in detail, with exit code 2.

    \b
    Examples:
      headwater run --plan plan.yaml --bootstrap-servers localhost:9092
      headwater run --plan plan.yaml --bootstrap-servers localhost:9092 --slot second
      headwater run --plan plan.yaml --bootstrap-servers localhost:9092 --until 2026-03-31
      headwater run --plan changed.yaml --bootstrap-servers localhost:9092 --backfill headwater-2
    """
    if backfill_prefix is not None and (until_ms is not None or accept_plan):
        raise click.UsageError("--backfill goes with neither --until nor --accept-plan")
    plan = plan_in(plan_file)
    check_key(plan)
    settings = settings_in(bootstrap_servers, kafka, slot, http)

    from agents.cli.topics import telling_topic_errors
    from agents.log_lines import log_to_standard_error
    from agents.plans import PlanDiffers
    from agents.service import work

    log_to_standard_error(verbose=verbose)
    if backfill_prefix is not None:
        from agents.cli.differences import backfill_and_compare

        backfill_and_compare(
            plan,
            backfill_prefix,
            settings,
            from_ms=from_ms,
            accept_loss=accept_loss,
            show_accounts=show_accounts,
        )
        return
    with telling_topic_errors():
        try:
            work(
                plan,
                settings,
                until_ms=until_ms,
                from_ms=from_ms,
                accept_loss=accept_loss,
                accept_plan=accept_plan,
                show_accounts=show_accounts,
                unpacked_members=unpacked_members,
            )
        except PlanDiffers as error:
            click.echo(f"Error: {error}", err=True)
            raise click.exceptions.Exit(EXIT_BAD_USAGE) from None
