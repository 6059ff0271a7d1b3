"""`headwater erase`: a request to forget a user, or an account."""

from __future__ import annotations

import time
from pathlib import Path
from uuid import uuid4

import click

from agents.cli.options import kafka_options, plan_in, plan_option, pseudonyms_in, settings_in


@click.command(short_help="Forget a user or an account: in state, numbers, signals and topics.")
@plan_option
@kafka_options
@click.option("--user", metavar="ID", help="The user, as events name them.")
@click.option("--anonymous", metavar="ID", help="Or a browser or device that nobody logged in on.")
@click.option("--account", metavar="ID", help="Or an account, as events name it.")
@click.option(
    "--request",
    "request",
    metavar="ID",
    help="Your own id of the request, such as a ticket's; by default one is made up.",
)
def erase(
    plan_file: Path,
    bootstrap_servers: str | None,
    kafka: tuple[str, ...],
    user: str | None,
    anonymous: str | None,
    account: str | None,
    request: str | None,
) -> None:
    """Ask the workers to erase a user, with every id that is known to be the same person; or an
    account, with all that events said in its name.

    The request is written down durably and applied once, as soon as workers run; the receipt comes
    on the topic `<prefix>.receipts` under the id that this command prints. The plan has to say
    `erasure`. What the input topics hold is yours to clear.

    \b
    Examples:
      headwater erase --user user-0739 --plan plan.yaml --bootstrap-servers localhost:9092
      headwater erase --user user-0739 --request GDPR-17 --plan plan.yaml
      headwater erase --account acct-242 --plan plan.yaml
    """
    if sum(id is not None for id in (user, anonymous, account)) != 1:
        raise click.UsageError(
            "say who is to be erased: --user ID, or --anonymous ID, or --account ID"
        )
    plan = plan_in(plan_file)
    if plan.erasure is None:
        raise click.UsageError(f"{plan_file} has no `erasure`: nobody can be erased under it")
    pseudonyms = pseudonyms_in(plan)
    settings = settings_in(bootstrap_servers, kafka)

    from agents.cli.topics import telling_topic_errors
    from agents.erase import request_erasure
    from schemas.batches import Erasure
    from schemas.keys import account_key, leaf_key

    if pseudonyms is not None:
        user, anonymous = pseudonyms.user(user or None), pseudonyms.user(anonymous or None)
        account = pseudonyms.account(account or None)
    key = account_key(account) if account else leaf_key(user or None, anonymous or None)
    if key is None:
        raise click.UsageError("the id is empty")
    request = request or str(uuid4())
    with telling_topic_errors():
        request_erasure(plan, settings, Erasure(request, key, time.time_ns() // 1_000_000))
    click.echo(request)
