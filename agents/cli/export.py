"""`headwater export`: the numbers of a replay in the form that another system reads."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

import click


@click.command(short_help="Write the numbers of a replay for Prometheus.")
@click.argument(
    "folder",
    metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@click.option(
    "--openmetrics",
    "file",
    metavar="FILE",
    required=True,
    type=click.File("w", encoding="utf-8", lazy=True, atomic=True),
    help="Where the history goes; an earlier one is replaced.",
)
def export(folder: Path, file: TextIO) -> None:
    """Write what `headwater replay` left in FOLDER as history for Prometheus.

    Each value of the company whose period is over becomes a sample at the period's end, under the
    name that workers use. What a worker shows afterwards continues the lines in Grafana.

    \b
    Example:
      headwater replay events.jsonl.gz --plan plan.yaml --out numbers
      headwater export numbers --openmetrics history.txt
      promtool tsdb create-blocks-from openmetrics history.txt prometheus-data
    """
    from agents.openmetrics import history
    from agents.results import file_name
    from schemas.outputs import KPIS

    kpis = folder / file_name(KPIS)
    try:
        with kpis.open("rb") as lines:
            file.writelines(history(lines))
    except FileNotFoundError:
        raise click.UsageError(
            f"{folder} has no {kpis.name}: name the folder that `headwater replay --out` wrote"
        ) from None
