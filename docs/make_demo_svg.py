"""Draws what `make demo` shows at its end, as docs/demo.svg.

    python -m docs.make_demo_svg

The speed in it is that of the machine it runs on.
"""

import asyncio
import os
import re
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI

from agents.cli.demo import PLAN
from agents.cli.live import View
from agents.cli.options import plan_in
from agents.company import DAYS, sample_lines
from agents.live_company import LiveCompany

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "demo.svg"
COLUMNS = 100
FONTS = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"


SECONDS = 30.0


def drawn() -> str:
    """A terminal with the last picture of the demo; without fonts from elsewhere."""
    plan = plan_in(PLAN)
    company = LiveCompany(list(sample_lines()), plan, DAYS, SECONDS)
    with open(os.devnull, "w") as nowhere:
        console = Console(
            record=True, width=COLUMNS, file=nowhere, force_terminal=True, highlight=False
        )
        view = View(plan, company, DAYS, console)
        asyncio.run(company.run(view.take, lambda: None))
        console.print(view.picture(), view.ending())
        svg = console.export_svg(title="make demo", theme=MONOKAI, unique_id="demo")
    svg = re.sub(r"@font-face \{.*?\}\n?", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family: Fira Code[^;]*;", f"font-family: {FONTS};", svg)
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


if __name__ == "__main__":
    PICTURE.write_text(drawn(), encoding="utf-8")
