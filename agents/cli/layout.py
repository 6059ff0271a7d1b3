"""Where panels stand on a screen."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

WIDTH = 100
NARROW = 92
"""In less, panels stand one below the other."""


def width_of(console: Console) -> None:
    """Gives a console the width that panels are made for."""
    console.width = min(console.width, WIDTH) if console.is_terminal else WIDTH


def titled(title: str, style: str, content: RenderableType) -> Panel:
    return Panel(content, title=f"[bold]{title}[/]", title_align="left", border_style=style)


def side_by_side(console: Console, *panels: Panel) -> RenderableType:
    """Panels of equal height in a row; two are a third and the rest of it."""
    if console.width < NARROW or len(panels) == 1:
        return Group(*panels)
    third = (console.width + 2) // 3
    first, *others = [third] + [third - 1] * (len(panels) - 2)
    widths = [first, *others]
    widths.append(console.width - sum(widths))
    lines = [
        len(console.render_lines(panel, console.options.update(width=width)))
        for panel, width in zip(panels, widths, strict=True)
    ]
    grid = Table.grid()
    for panel, width in zip(panels, widths, strict=True):
        grid.add_column(width=width)
        panel.height = max(lines)
    grid.add_row(*panels)
    return grid


def rows(*rows: tuple[str, str]) -> Table:
    table = Table.grid(expand=True)
    table.add_column()
    table.add_column(justify="right", style="bold")
    for row in rows:
        table.add_row(*map(escape, row))
    return table
