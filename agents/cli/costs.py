"""What the state of a replay came to, as a table."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from streams.state_costs import Costs

NUMBERS = ("KPIs", "bytes a membership", "read by no other")


def show_costs(costs: Costs) -> None:
    """Prints what each operator's rows keep, the dearest first, and what all state comes to."""
    table = Table(title="state, as checkpoints have it", title_justify="left", box=None)
    table.add_column("operator")
    for heading in NUMBERS:
        table.add_column(heading, justify="right")
    members = max(1, costs.memberships)
    for each in costs.operators:
        table.add_row(
            each.operator,
            f"{each.kpis}",
            f"{each.bytes / members:,.0f}",
            f"{each.bytes_alone / members:,.0f}",
        )
    console = Console(highlight=False)
    console.print(table)
    console.print(
        f"{costs.memberships:,} memberships, {costs.bytes / members:,.0f} bytes each with all that "
        "is kept besides. Operators share measures; summary.json names them, with their KPIs."
    )
