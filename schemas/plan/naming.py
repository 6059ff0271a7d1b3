"""What names of events and properties seem to mean, by the words they are made of."""

import re


def _like(words: str) -> re.Pattern[str]:
    """Finds any of these in the words of a name (see `words_of`)."""
    return re.compile(rf"\b(?:{words})\b")


ACHIEVEMENT = _like(
    "created?|completed?|submitted|published|finished|sent|shared|uploaded|imported|exported"
    "|connected|installed|invited|deployed|built|booked|purchased?|ordered|resolved|solved"
    "|approved|added"
)
ACTIVATION = _like("activat(?:ed|ion)")
START = _like("sign(?:ed)? ?up|registered|registration|invit(?:e|ation) accepted")
VIEW = _like(
    "view(?:ed|s)?|seen|visit(?:ed)?|opened|loaded|clicked|scrolled|hovered|displayed|shown"
    "|impression|log(?:ged)? ?(?:in|out)|sign(?:ed)? ?(?:in|out)"
)
SESSION = _like("sessions?")
SESSION_END = _like("ended|end|closed|finished|expired|timeout")
ROBOT = _like("(?:is )?(?:robot|bot|crawler|spider|synthetic)")
INTERNAL = _like("(?:is )?(?:internal|employee|staff|test|test user)")
FEATURE = _like("feature(?: name| id| key)?")
USE = _like("features?|used?")
DURATION_MS = _like("(?:session )?(?:duration|length) (?:ms|millis|milliseconds)")


def is_no_task(name: str) -> bool:
    """True for looking at things, for sessions and for beginnings."""
    words = words_of(name)
    return any(kind.search(words) for kind in (VIEW, SESSION, START))


def words_of(name: str) -> str:
    """A name as lower-case words: `isRobot`, `is_robot` and `Is Robot` are all `is robot`."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return " ".join(re.findall(r"[^\W_]+", apart)).casefold()


def identifier(name: str) -> str:
    text = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_")[:56]
    return text if re.match(r"[A-Za-z_]", text) else f"dimension_{text}".rstrip("_")


def unique(name: str, taken: set[str]) -> str:
    """The name, with a number behind it if it is taken; remembers it."""
    free = next(n for n in (name, *(f"{name}_{i}" for i in range(2, 10_000))) if n not in taken)
    taken.add(free)
    return free
