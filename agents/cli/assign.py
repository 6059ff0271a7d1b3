"""`headwater assign`: who gets which variant of an experiment, by the plan alone."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from agents.cli.options import plan_in, plan_option


@click.command(short_help="Say which variant of an experiment somebody gets.")
@click.argument("experiment", metavar="EXPERIMENT")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@plan_option
def assign(experiment: str, ids: tuple[str, ...], plan_file: Path) -> None:
    """Say which variant of EXPERIMENT each ID gets: a line each, with a tab between.

    Without IDs they are read from standard input, one a line. They are ids of accounts, or of
    users, as outputs show them: `anon:x` of who is not identified, a pseudonym where the plan has
    them. Signals carry the same variants.

    \b
    Examples:
      headwater assign welcome_call acct-002 acct-003 --plan plan.yaml
      headwater assign welcome_call --plan plan.yaml < accounts.txt
    """
    from schemas.plan.values import did_you_mean

    known = {each.name: each for each in plan_in(plan_file).experiments}
    if experiment not in known:
        listed = f"known are {', '.join(known)}" if known else "the plan has none"
        hint = did_you_mean(experiment, known) or listed
        raise click.UsageError(f"unknown experiment `{experiment}`; {hint}")
    of = known[experiment]
    out = click.get_text_stream("stdout", encoding="utf-8")
    try:
        out.writelines(f"{id}\t{of.variant_of(id)}\n" for id in ids or _read())
    except UnicodeError:
        raise click.UsageError("an id is not UTF-8 text") from None
    finally:
        out.flush()


def _read() -> Iterable[str]:
    """The ids on standard input, without empty lines."""
    lines = click.get_text_stream("stdin", encoding="utf-8", errors="strict")
    return filter(None, (line.rstrip("\n") for line in lines))
