"""A company that does not exist, to try Headwater on before one's own events are at hand.

Its product makes reports. Companies sign up, invite colleagues, create and share reports; some grow
to a team, some lose interest, one goes viral. What its other departments have to say follows from
that: who gets to reports pays, who grows buys seats, who has trouble opens tickets.

The log is Segment's JSON, one call a line, in the order of arrival: like a real one it has calls
that arrive late or twice, visitors who become known only when they sign in, a robot, and a member
of staff who looks after customers' accounts. One seed always gives the same bytes.

Some things go wrong on purpose, so that alerts have something to find: see incidents.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

from agents.company.accounts import ACCOUNTS, all_accounts
from agents.company.billing import billing
from agents.company.desk import Desk
from agents.company.incidents import Incident, incidents
from agents.company.log import Arrival, Log, in_order, write_lines
from agents.company.marketing import marketing
from agents.company.operations import operations
from agents.company.outcomes import outcomes
from agents.company.sales import sales
from agents.company.success import success
from agents.company.support import support
from agents.company.timeline import DAYS, START_MS, day_ms
from agents.company.usage import Product

__all__ = [
    "ACCOUNTS",
    "DAYS",
    "START_MS",
    "SYSTEMS",
    "Arrival",
    "Incident",
    "arrivals",
    "incidents",
    "sample_lines",
    "write_lines",
    "write_sample",
]

DEPARTMENTS = (billing, support, sales, marketing, success, outcomes, operations)
"""Each looks at how the product is used; sales looks at the bills, too."""


SYSTEMS = tuple(department.__name__ for department in DEPARTMENTS)
"""What speaks beside the product."""


def sample_lines(seed: int = 7, accounts: int = ACCOUNTS, days: int = DAYS) -> Iterator[bytes]:
    """The log's lines, each a JSON object and a line feed; about 55,000 with the defaults."""
    return (each.line for each in arrivals(seed, accounts, days))


def arrivals(seed: int = 7, accounts: int = ACCOUNTS, days: int = DAYS) -> list[Arrival]:
    """The same, with the time of arrival, and who says so."""
    rng = Random(seed)
    log = Log(rng, day_ms(days))
    customers = all_accounts(rng, accounts, days)
    Product(rng, log, customers).run(days)
    logs = [log]
    for department in DEPARTMENTS:
        desk = Desk(department.__name__, seed, days, customers)
        department(desk)
        logs.append(desk.log)
    return in_order(logs)


def write_sample(
    path: Path | str, seed: int = 7, accounts: int = ACCOUNTS, days: int = DAYS
) -> int:
    """Write the log to a file, compressed if its name ends in .gz; returns the number of events."""
    lines = list(sample_lines(seed, accounts, days))
    write_lines(path, lines)
    return len(lines)
