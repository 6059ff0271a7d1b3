"""Two small plots as SVG: latency by rate, and memory during the soak."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

LATENCY, MEMORY = "latency.svg", "soak-memory.svg"
ALT = {LATENCY: "p99 from produce to visible, by rate", MEMORY: "Memory during the soak"}
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 640, 240, 60, 40, 30
COLOURS = ("#2563eb", "#16a34a", "#d97706")
Point = tuple[float, float]


def draw(measures: dict[str, Any]) -> dict[str, str]:
    """File name -> SVG of what was measured."""
    drawn = {}
    latencies = _latencies(measures.get("latency", {}))
    if any(latencies.values()):
        drawn[LATENCY] = lines("p99 from produce to visible (s), by events/s", latencies)
    if "soak" in measures:
        points = [(at_s / 60, rss / 1e6) for at_s, rss in measures["soak"]["samples"]]
        drawn[MEMORY] = lines("Memory of the worker (MB), by minutes", {"resident": points})
    return drawn


def _latencies(figures: dict[str, Any]) -> dict[str, list[Point]]:
    measured = [each for each in figures.values() if "failed" not in each]
    return {
        kind.replace("_", " "): sorted(
            (each["events_per_s"], each[kind]["p99_s"]) for each in measured
        )
        for kind in ("account_signal", "user_signal", "company_value")
    }


def lines(title: str, series: Mapping[str, Sequence[Point]]) -> str:
    """One line a series, axes from 0."""
    most_x = max(x for points in series.values() for x, _ in points) or 1
    most_y = max(y for points in series.values() for _, y in points) or 1

    def place(x: float, y: float) -> str:
        across = LEFT + x / most_x * (WIDTH - LEFT - 20)
        return f"{across:.1f},{HEIGHT - BOTTOM - y / most_y * (HEIGHT - BOTTOM - TOP):.1f}"

    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="18">{title}</text>',
        f'<polyline fill="none" stroke="#888" points="{place(0, most_y)} {place(0, 0)} '
        f'{place(most_x, 0)}"/>',
        f'<text x="{LEFT - 6}" y="{TOP + 4}" text-anchor="end">{most_y:,.3g}</text>',
        f'<text x="{WIDTH - 20}" y="{HEIGHT - BOTTOM + 16}" text-anchor="end">{most_x:,.5g}</text>',
        f'<text x="{LEFT - 6}" y="{HEIGHT - BOTTOM + 4}" text-anchor="end">0</text>',
    ]
    for number, (name, points) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(place(x, y) for x, y in points)
        drawn.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{path}"/>')
        drawn += [
            f'<circle cx="{at.split(",")[0]}" cy="{at.split(",")[1]}" r="3" fill="{colour}"/>'
            for at in path.split()
            if len(points) < 10
        ]
        across = LEFT + 10 + number * 150
        drawn.append(f'<text x="{across}" y="{HEIGHT - 6}" fill="{colour}">{name}</text>')
    return "\n".join([*drawn, "</svg>", ""])
