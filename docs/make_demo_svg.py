"""Draws what `make demo` prints at its end, as docs/demo.svg.

    python -m docs.make_demo_svg

The times in it are those of the machine it runs on.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "demo.svg"
PLAN = "plans/demo.yaml"
FOLDER = "var/demo"
COLUMNS = 100
FONTS = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"


def printed_by_demo() -> str:
    """What the commands of `make demo` write to a terminal of COLUMNS columns."""
    (ROOT / FOLDER).mkdir(parents=True, exist_ok=True)
    events = f"{FOLDER}/events.jsonl.gz"
    _ran("agents.sample", events)
    return _ran("agents.cli", "replay", events, "--plan", PLAN, "--out", f"{FOLDER}/out")


def _ran(module: str, *arguments: str) -> str:
    environment = os.environ | {"FORCE_COLOR": "1", "COLUMNS": str(COLUMNS)}
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout


def drawn(printed: str) -> str:
    """A terminal with that text; without fonts from elsewhere."""
    with open(os.devnull, "w") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere)
        console.print(Text.from_ansi(printed.rstrip()))
        svg = console.export_svg(title="make demo", theme=MONOKAI, unique_id="demo")
    svg = re.sub(r"@font-face \{.*?\}\n?", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family: Fira Code[^;]*;", f"font-family: {FONTS};", svg)
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


if __name__ == "__main__":
    PICTURE.write_text(drawn(printed_by_demo()), encoding="utf-8")
