"""An alert in words, for people."""

from agents.delivery.event import Event
from streams.alerting.standing import AMENDED, DISPROVED, FIRING, RESOLVED

_STATES = {RESOLVED: "resolved", DISPROVED: "taken back"}
TEXT_MAX = 2_000


def headline(event: Event) -> str:
    """Severity or what became of it, and the title: `[critical] 5 reports created, 41 before`."""
    data = event.data
    mark = _STATES.get(data["state"], data["severity"])
    if data["state"] == FIRING and event.attributes["type"].endswith(f".{AMENDED}"):
        mark += ", corrected"
    return f"[{mark}] {one_line(data['title'])}"


def text(event: Event) -> str | None:
    """What the plan says to do, if it says so."""
    said = event.data.get("text")
    return None if not said else printable(said)[:TEXT_MAX]


def link(event: Event) -> str | None:
    found = event.data.get("link")
    return None if not found else one_line(found)


def facts(event: Event) -> list[tuple[str, str]]:
    """What else to know of it, by name."""
    data = event.data
    told = [
        ("Rule", data["rule"]),
        ("Account", data.get("account")),
        ("User", data.get("user")),
        ("Segment", data.get("segment") if data.get("segment") != "all" else None),
        ("Owner", data.get("owner")),
        ("Since", _minute(data.get("at"))),
        ("Until", _minute(data.get("resolved_at"))),
    ]
    return [(name, one_line(value)) for name, value in told if value]


def _minute(iso: str | None) -> str | None:
    return None if iso is None else f"{iso[:16].replace('T', ' ')} UTC"


def printable(said: str) -> str:
    """Ids come from events, and so from anybody: they may not steer what shows them."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in said)


def one_line(said: str) -> str:
    return printable(said).replace("\n", " ")[:TEXT_MAX]
