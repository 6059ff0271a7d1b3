"""results.json: the newest figures, each section with the machine, day and versions it is of.

Several programs write it, each its own sections and its own headlines, and leave the others' alone.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results.json"
SECTIONS = "sections"


def update(
    section: str,
    figures: Any,
    headlines: Mapping[str, float | None],
    *,
    versions: Mapping[str, str] | None = None,
    path: Path = RESULTS,
) -> None:
    """Put a section's figures and its headlines in place of those that stand there.

    Headlines are the figures that others quote, at the top of the file under their own names; one
    that is None could not be measured, and says so.
    """
    everything = read(path)
    sections = everything.pop(SECTIONS, {})
    sections[section] = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "versions": {"headwater": version("headwater"), **(versions or {})},
        "figures": figures,
    }
    shown = dict(sorted({**everything, **headlines}.items()))
    unfinished = path.with_suffix(".part")
    unfinished.write_text(
        json.dumps({**shown, SECTIONS: dict(sorted(sections.items()))}, indent=2) + "\n"
    )
    unfinished.replace(path)


def read(path: Path = RESULTS) -> dict[str, Any]:
    """The whole file; nothing, where there is none."""
    return dict(json.loads(path.read_text())) if path.exists() else {}


def machine() -> dict[str, Any]:
    """What a figure depends on besides the code."""
    return {
        "cpus": os.cpu_count(),
        "processor": _processor(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "architecture": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _processor() -> str | None:
    """The processor's name, where the system tells it in Linux's way."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return None
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, None)
