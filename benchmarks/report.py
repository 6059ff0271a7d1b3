"""The comparison as people see it: a table in README.md and bars in throughput.svg.

`python -m benchmarks.report` makes both of results.json; `make bench-peers` does it at its end.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from benchmarks import results

HERE = Path(__file__).resolve().parent
README = HERE / "README.md"
PLOT = HERE / "throughput.svg"
BEGIN = "<!-- made of results.json by python -m benchmarks.report -->"
END = "<!-- end of what is made -->"

OURS = "headwater run"
HEADING = (
    "system",
    "state",
    "if the process dies",
    "events",
    "events/s",
    "Headwater is",
    "CPU s per million",
    "peak MB",
)


def write(readme: Path = README, plot: Path = PLOT, path: Path = results.RESULTS) -> None:
    """Put the newest figures into the README and the plot."""
    everything = results.read(path)
    before, _, rest = readme.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    readme.write_text(f"{before}{BEGIN}\n{tables(everything)}\n{END}{after}")
    plot.write_text(bars(everything))


def tables(everything: dict[str, Any]) -> str:
    """What is known of Headwater and of its peers, in Markdown."""
    sections = everything.get(results.SECTIONS, {})
    parts = []
    if peers := sections.get("peers"):
        parts += [_of_section(peers), _table(HEADING, _comparison(peers["figures"]))]
    if ours := sections.get("headwater"):
        parts += [
            _of_section(ours),
            _table(("Headwater alone", *HEADING[3:5]), _ours(ours["figures"])),
        ]
    return "\n\n".join(parts) or "No figures yet: `make bench-peers` makes them."


def _of_section(section: dict[str, Any]) -> str:
    machine = section["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in section["versions"].items())
    return (
        f"{section['date']}; {machine['cpus']} cores ({machine['processor']}), "
        f"{machine['memory_gb']} GB, {machine['system']}, Python {machine['python']}; {versions}."
    )


def _comparison(figures: dict[str, dict[str, Any]]) -> Iterable[tuple[str, ...]]:
    ours = figures[OURS].get("events_per_s")
    for name, each in figures.items():
        system = name
        if "version" in each:
            base, comma, threads = name.partition(",")
            system = f"{base} {each['version']}{comma}{threads}"
        if name == OURS:
            about = ("memory, changelog topics", "exactly once")
        else:
            about = (each["state"], each["guarantee"])
        if "events_per_s" not in each:
            yield system, *about, _why_not(each), "", "", "", ""
            continue
        speed = each["events_per_s"]
        yield (
            system,
            *about,
            f"{each['events']:,}",
            f"{speed:,}",
            f"{ours / speed:.1f} times as fast" if ours and name != OURS else "",
            f"{each['cpu_s_per_million_events']:.1f}",
            f"{each['peak_mb']:,}",
        )


def _ours(figures: dict[str, dict[str, Any]]) -> Iterable[tuple[str, ...]]:
    names = {
        "small_job": "`headwater run`, the small job",
        "default_plan": "`headwater run`, the default plan",
        "replay": "`headwater replay` of a file, the small job",
    }
    for key, each in figures.items():
        if "events_per_s" in each:
            yield names[key], f"{each['events']:,}", f"{each['events_per_s']:,}"
        else:
            yield names[key], _why_not(each), ""


def _why_not(each: dict[str, Any]) -> str:
    """Why a line has no figures, short enough for a cell."""
    kind = "not installed" if "not_installed" in each else "failed"
    reason = " ".join((each.get("not_installed") or each.get("failed", "")).split())
    return f"{kind}: {reason[:200].replace('|', '/')}"


def _table(heading: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(heading), *(list(row) for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


# Of the plot, in pixels.
WIDTH, MARGIN = 760, 16
NAMES, NUMBERS = 230, 110
BAR, GAP = 22, 8


def bars(everything: dict[str, Any]) -> str:
    """Events a second of everybody who was measured, the fastest first, as SVG."""
    figures = everything.get(results.SECTIONS, {}).get("peers", {}).get("figures", {})
    speeds = {
        name: each["events_per_s"] for name, each in figures.items() if "events_per_s" in each
    }
    ranked = sorted(speeds.items(), key=lambda each: -each[1])
    top = MARGIN + 30
    height = top + len(ranked) * (BAR + GAP) + MARGIN
    room = WIDTH - NAMES - NUMBERS - MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="{MARGIN}" y="{MARGIN + 10}" font-weight="bold" fill="#222222">'
        "The small job: events a second, one machine, one run</text>",
    ]
    for place, (name, speed) in enumerate(ranked):
        y = top + place * (BAR + GAP)
        middle = y + BAR * 0.7
        length = max(1.0, room * speed / ranked[0][1])
        colour = "#0b7285" if name == OURS else "#adb5bd"
        parts += [
            f'<text x="{NAMES - 8}" y="{middle:.0f}" text-anchor="end" fill="#222222">'
            f"{escape(name)}</text>",
            f'<rect x="{NAMES}" y="{y}" width="{length:.1f}" height="{BAR}" fill="{colour}"/>',
            f'<text x="{NAMES + length + 6:.1f}" y="{middle:.0f}" fill="#222222">{speed:,}</text>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    write()
