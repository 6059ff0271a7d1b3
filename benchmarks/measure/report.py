"""results.json as people read it: a table for benchmarks/README.md, and two plots."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.measure import plots
from benchmarks.measure.results import SECTIONS

BEGIN, END = "<!-- measures: begin (python -m benchmarks.measure) -->", "<!-- measures: end -->"
KINDS = {
    "account_signal": "an account's signal",
    "user_signal": "a user's signal",
    "company_value": "a company's value",
    "account_alert": "an account's alert",
    "company_alert": "a company's alert, from the event that ends its hour",
}
Row = tuple[str, str]


def table(held: dict[str, Any]) -> str:
    """Markdown of every measurement that results.json has."""
    measures = {name: held[SECTIONS][name] for name in ROWS if name in held.get(SECTIONS, {})}
    rows = [row for name, of in measures.items() for row in ROWS[name](of["figures"])]
    lines = [
        "| measured | figure |",
        "|---|---|",
        *(f"| {what} | {figure} |" for what, figure in rows),
    ]
    return "\n".join([*lines, "", *_circumstances(measures)])


def whereabouts(held: dict[str, Any]) -> str:
    """Markdown of where a worker's time goes; empty if that was not measured."""
    section = held.get(SECTIONS, {}).get("profile")
    if section is None:
        return ""
    jobs: list[dict[str, Any]] = list(section["figures"].values())
    places = dict.fromkeys(place for of in jobs for place in of["us_per_event"])
    rows = [
        ("us of the interpreter an event", section["figures"]),
        *((place, [f"{of['us_per_event'].get(place, 0):.2f}" for of in jobs]) for place in places),
        ("in all", [f"{sum(of['us_per_event'].values()):.1f}" for of in jobs]),
        ("in use, of the time", [f"{of['interpreter_held_ratio']:.0%}" for of in jobs]),
    ]
    lines = [f"| {name} | {' | '.join(cells)} |" for name, cells in rows]
    lines.insert(1, f"|---|{'---|' * len(jobs)}")
    return "\n".join(["", *lines, "", *_circumstances({"profile": section}), ""])


def weights(held: dict[str, Any]) -> str:
    """Markdown of what weighs how much; empty if that was not measured."""
    section = held.get(SECTIONS, {}).get("memory")
    if section is None or "parts" not in section["figures"]:
        return ""
    figures = section["figures"]
    lines = [
        "| bytes a membership, of the most | |",
        "|---|---|",
        *(f"| {place} | {n:,} |" for place, n in figures["parts"].items()),
        f"| in all | {figures['bytes_per_membership']:,} |",
    ]
    return "\n".join(["", *lines, "", *_circumstances({"memory": section}), ""])


def publish(held: dict[str, Any], folder: Path) -> None:
    """Puts the table between its marks in README.md (at the end, the first time), and plots."""
    drawn = plots.draw({name: each["figures"] for name, each in held.get(SECTIONS, {}).items()})
    for name, svg in drawn.items():
        (folder / name).write_text(svg)
    pictures = "".join(f"![{plots.ALT[name]}]({name})\n\n" for name in plots.ALT if name in drawn)
    readme = folder / "README.md"
    tables = "\n".join((table(held), whereabouts(held), weights(held)))
    readme.write_text(with_section(readme.read_text(), f"{pictures}{tables}"))


def with_section(text: str, section: str) -> str:
    """The text with the section between the marks replaced, or added."""
    before, begin, rest = text.partition(BEGIN)
    if not begin:
        return f"{text.rstrip()}\n\n## Measures\n{BEGIN}\n{section}{END}\n"
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{section}{END}{after}"


def _latency(figures: dict[str, Any]) -> Iterator[Row]:
    for case in figures.values():
        if "failed" in case:
            what = f"from produce to visible, {case['events_per_s']:,} events/s"
            yield what, f"failed: {case['failed'].splitlines()[0]}"
            continue
        for kind, shown in KINDS.items():
            if (of := case.get(kind)) is None:
                continue
            yield (
                f"from produce to visible, {case['events_per_s']:,} events/s, {shown}",
                f"p50 {of['p50_s']:.2f} s, p99 {of['p99_s']:.2f} s, p99.9 {of['p999_s']:.2f} s",
            )


def _cpu(figures: dict[str, Any]) -> Iterator[Row]:
    yield "CPU of a worker for a million events", f"{figures['cpu_s_per_million_events']:.1f} s"
    yield "events/s of a worker, default plan, live", f"{figures['events_per_s']:,}"


def _memory(figures: dict[str, Any]) -> Iterator[Row]:
    prefix = "bytes_per_membership_"
    for name, found in figures.items():
        if name.startswith(prefix):
            count = int(name.removeprefix(prefix))
            yield f"memory per membership, of {count:,}", f"{found:,} bytes"


def _restore(figures: dict[str, Any]) -> Iterator[Row]:
    yield (
        f"restore at a restart, {figures['entities']:,} entities",
        f"{figures['restore_entities_per_s']:,} entities/s",
    )


def _recovery(figures: dict[str, Any]) -> Iterator[Row]:
    for case in ("static", "static_restarted", "dynamic", "dynamic_restarted"):
        if f"{case}_s" in figures:
            membership, _, restarted = case.partition("_")
            after = "started again at once" if restarted else "gone for good"
            yield (
                f"recovery from kill -9 of one of two workers, {membership} membership, {after}",
                f"{figures[f'{case}_s']:.1f} s",
            )


def _scaling(figures: dict[str, Any]) -> Iterator[Row]:
    yield (
        "events/s of one worker and of two, with the broker on the same cores",
        f"{figures['events_per_s_1_workers']:,} and {figures['events_per_s_2_workers']:,} "
        f"({figures['ratio_two_to_one']:.2f} times)",
    )


def _growth(figures: dict[str, Any]) -> Iterator[Row]:
    for of in figures.values():
        yield (
            f"speed of the last tenth of {of['events']:,} events by {of['users']:,} users over "
            f"{of['days']} days to that of the first",
            f"{of['ratio_last_to_first']:.2f} (by CPU time {of['ratio_last_to_first_by_cpu']:.2f})",
        )


def _catalogue(figures: dict[str, Any]) -> Iterator[Row]:
    for name, of in figures.items():
        if not isinstance(of, dict):
            continue
        whole, default = of["whole_catalogue"], of["default"]
        yield (
            f"`headwater replay` of {name.split('_')[1]} days of the demo company, the "
            f"{default['kpis']} KPIs that run by default and all {whole['kpis']}",
            f"{default['cpu_s_per_million_events']:.0f} and "
            f"{whole['cpu_s_per_million_events']:.0f} s of CPU for a million events "
            f"({of['ratio_whole_to_default']:.2f} times the speed)",
        )


def _soak(figures: dict[str, Any]) -> Iterator[Row]:
    yield (
        f"memory in {figures['minutes']:g} minutes at {figures['events_per_s']:,} events/s, after "
        "warm-up",
        f"{figures['rss_after_warm_up_mb']:.0f} to {figures['rss_at_the_end_mb']:.0f} MB, "
        f"{figures['slope_mb_per_minute']:+.2f} MB a minute",
    )


ROWS: dict[str, Callable[[dict[str, Any]], Iterator[Row]]] = {
    "latency": _latency,
    "alerts": _latency,
    "cpu": _cpu,
    "scaling": _scaling,
    "growth": _growth,
    "memory": _memory,
    "catalogue": _catalogue,
    "soak": _soak,
    "restore": _restore,
    "recovery": _recovery,
}


def _circumstances(measures: dict[str, Any]) -> Iterator[str]:
    """Measurements of the same day and machine in one sentence."""
    alike: dict[str, list[str]] = {}
    for name, section in measures.items():
        machine, versions = section["machine"], section["versions"]
        told = (
            f"{section['date'][:10]}, {machine['cpus']} cores ({machine['architecture']}), "
            f"{machine['memory_gb']} GB; {', '.join(f'{n} {v}' for n, v in versions.items())}"
        )
        alike.setdefault(told, []).append(name)
    for told, names in alike.items():
        yield f"Measured ({', '.join(names)}): {told}."
