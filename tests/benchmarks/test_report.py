"""The comparison as people see it."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from benchmarks import report, results

ABOUT = {"state": "in memory", "guarantee": "none", "headline": "ratio_it", "threads": 1}


def measured(events_per_s: int) -> dict:
    return {
        "events": 900,
        "events_per_s": events_per_s,
        "cpu_s_per_million_events": 2.5,
        "peak_mb": 10,
    }


def written(path: Path) -> dict:
    figures = {
        report.OURS: measured(4000),
        "it": {**ABOUT, "version": "1.2", **measured(1000)},
        "that & other": {**ABOUT, "not_installed": "mvn not found"},
        "broken": {**ABOUT, "version": "3", "failed": "it is | wrong"},
    }
    results.update("peers", figures, {}, path=path)
    return results.read(path)


def test_the_table_has_everybody_also_those_without_figures(tmp_path: Path):
    rows = report.tables(written(tmp_path / "results.json")).splitlines()

    (it,) = [row for row in rows if row.startswith("| it 1.2 ")]
    assert "| 900 | 1,000 | 4.0 times as fast | 2.5 | 10 |" in it
    assert any("that & other" in row and "not installed: mvn not found" in row for row in rows)
    assert any("broken 3" in row and "failed: it is / wrong" in row for row in rows)


def test_the_bars_are_as_long_as_the_speeds(tmp_path: Path):
    svg = ElementTree.fromstring(report.bars(written(tmp_path / "results.json")))

    ground, ours, its = svg.iter("{http://www.w3.org/2000/svg}rect")
    assert ground.get("width") == str(report.WIDTH)
    assert float(ours.get("width")) == 4 * float(its.get("width"))


def test_only_what_is_between_the_marks_is_written_anew(tmp_path: Path):
    path, readme, plot = (tmp_path / name for name in ("results.json", "README.md", "plot.svg"))
    everything = written(path)
    readme.write_text(f"Before\n{report.BEGIN}\nold\n{report.END}\nAfter\n")
    report.write(readme, plot, path)

    assert readme.read_text() == (
        f"Before\n{report.BEGIN}\n{report.tables(everything)}\n{report.END}\nAfter\n"
    )
    assert plot.read_text() == report.bars(everything)


def test_without_results_the_report_says_how_to_get_them():
    assert "make bench-peers" in report.tables({})
    ElementTree.fromstring(report.bars({}))


def test_the_readme_and_the_plot_show_the_results_that_stand():
    everything = results.read()
    assert report.tables(everything) in report.README.read_text()
    assert report.PLOT.read_text() == report.bars(everything)
