"""`headwater account`: one account as the workers know it."""

from __future__ import annotations

import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from agents.cli.options import clean, plan_in, pseudonyms_in

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

ANSWER_S = 10.0
EVENTS_SHOWN = 10
USES_SHOWN = 12
MEMBERS_SHOWN = 10
VALUES_SHOWN = 20
NOT_FOUND = 404


@click.command(short_help="Show one account: who is in it, where it stands, what is firing.")
@click.argument("account", metavar="ID")
@click.option(
    "--at",
    "addresses",
    metavar="HOST:PORT",
    multiple=True,
    default=("127.0.0.1:9464",),
    show_default=True,
    help="Where a worker serves HTTP; may be repeated, as one of the workers knows the account.",
)
@click.option(
    "--plan",
    "plan_file",
    metavar="PLAN",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Where the plan puts pseudonyms on accounts: ID is as events name it, and its pseudonym, "
    "under HEADWATER_PRIVACY_KEY, is asked for.",
)
@click.option("--json", "as_json", is_flag=True, help="Write what the worker says, as JSON.")
def account(
    account: str, addresses: tuple[str, ...], plan_file: Path | None, as_json: bool
) -> None:
    """Show one account as of now: its users, states, memberships and why, alerts, newest values.

    The worker has to run with `--http` and `--show-accounts`.

    \b
    Examples:
      headwater account acct-002
      headwater account acct-002 --at worker-1:9464 --at worker-2:9464 --json
    """
    import orjson

    if plan_file is not None and (pseudonyms := pseudonyms_in(plan_in(plan_file))) is not None:
        account = pseudonyms.account(account) or account
    body = _answer(account, addresses)
    if as_json:
        click.echo(body)
    else:
        from rich.console import Console

        show(orjson.loads(body), Console(highlight=False))


def _answer(account: str, addresses: tuple[str, ...]) -> bytes:
    """What the first worker that knows the account says of it."""
    reasons = []
    for address in addresses:
        url = f"http://{address}/accounts/{quote(account, safe='')}"
        try:
            with urllib.request.urlopen(url, timeout=ANSWER_S) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            shows = "json" in error.headers.get("Content-Type", "")
            if error.code != NOT_FOUND:
                reasons.append(f"{address}: {error.read().decode(errors='replace').strip()}")
            elif not shows:
                reasons.append(f"{address} shows no accounts: start it with --show-accounts")
        except OSError as error:
            reasons.append(f"{address} does not answer: {getattr(error, 'reason', error)}")
        except (ValueError, HTTPException):
            reasons.append(f"{address} is no address, write HOST:PORT")
    raise click.ClickException("\n".join(reasons) or f"no worker that was asked knows {account!r}")


def show(view: dict[str, Any], console: Console) -> None:
    """Prints what is known of an account."""
    console.print(f"[bold]{clean(view['account'])}[/] as of {_moment(view['as_of'])} UTC")
    if "belongs_to" in view:
        host = clean(view["belongs_to"])
        console.print(f"  belongs to [bold]{host}[/], and counts there: headwater account {host}")
    if "joined" in view:
        console.print(f"  joined with {', '.join(map(clean, view['joined']))}")
    for kind, state in view["states"].items():
        since, what = _moment(state.pop("since")), kind.replace("_", " ")
        details = ", ".join(f"{clean(name)} {clean(of)}" for name, of in state.items())
        console.print(f"  {what} since {since}: {details or 'yes'}")
    for kpi, standing in view["memberships"].items():
        because = "; ".join(clean(each["condition"]) for each in standing["because"])
        since, what = _moment(standing["since"]), kpi.replace("_", " ")
        console.print(f"[green]in[/] {what} since {since}: {because}")
    reached: dict[str, list[str]] = {}
    for each in view["milestones"]:
        reached.setdefault(each["kpi"], []).append(f"{each['users']} on {each['at'][:10]}")
    for kpi, numbers in reached.items():
        console.print(f"  {kpi.replace('_', ' ')}: {', '.join(numbers)}")
    for alert in view["alerts"]:
        said = f"{clean(alert['title'])}, {_moment(alert['at'])}"
        console.print(f"[red]{clean(alert['severity'])}[/] {said}")
    _show_users(view["users"], view["members"][:MEMBERS_SHOWN], console)
    _show_history(view, console)
    _show_values([each for each in view["values"] if each["value"] is not None], console)


def _show_users(users: int, members: list[dict[str, Any]], console: Console) -> None:
    table = _table(f"{users} user{'' if users == 1 else 's'}")
    headings = ["user", "last active", "days of 30", "activated"]
    has_roles = any("role" in member for member in members)
    for heading in [*headings, *(["role"] if has_roles else [])]:
        table.add_column(heading)
    for member in members:
        activated = member["first"].get("activation")
        table.add_row(
            clean(member["user"]),
            member.get("last_active_day", "-"),
            str(member.get("active_days_of_30", "-")),
            "-" if activated is None else _moment(activated),
            *([clean(member.get("role", "-"))] if has_roles else []),
        )
    if members:
        console.print(table)
    if users > len(members):
        console.print(f"and {users - len(members)} more (--json has up to a hundred)")


def _show_history(view: dict[str, Any], console: Console) -> None:
    """What the account met first, in order, and what happened last, where the plan keeps it."""
    uses = view.get("first_uses", [])
    if uses:
        met = ", ".join(f"{clean(each['name'])} {each['at'][:10]}" for each in uses[:USES_SHOWN])
        more = f", and {len(uses) - USES_SHOWN} more" if len(uses) > USES_SHOWN else ""
        console.print(f"first used: {met}{more}")
    events = view.get("recent_events", [])
    table = _table("last events")
    for heading in ("at", "user", "what"):
        table.add_column(heading)
    for event in events[:EVENTS_SHOWN]:
        # that something was done goes without saying where it is said what
        facts = [each for each in event["facts"] if each != "activity"] or event["facts"]
        what = ", ".join(clean(each.replace("_", " ", 1)) for each in facts)
        table.add_row(_moment(event["at"]), clean(event["user"] or "-"), what)
    if events:
        console.print(table)


def _show_values(values: list[dict[str, Any]], console: Console) -> None:
    table = _table("newest final values")
    for heading in ("KPI", "period that ended", "value"):
        table.add_column(heading)
    for each in values[:VALUES_SHOWN]:
        name = " ".join(filter(None, (each["kpi"], each["variant"])))
        ended = f"{each['period']}, {_moment(each['end'])}"
        table.add_row(clean(name), ended, f"{each['value']:,.6g}")
    if values:
        console.print(table)
    if len(values) > VALUES_SHOWN:
        console.print(f"and {len(values) - VALUES_SHOWN} more (--json has all)")


def _table(title: str) -> Table:
    from rich.table import Table

    return Table(title=title, title_justify="left", box=None)


def _moment(text: str | None) -> str:
    return "ever" if text is None else text[:16].replace("T", " ")
