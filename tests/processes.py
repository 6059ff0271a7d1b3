"""How the tests are shared out between the processes of `make test`."""

from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).resolve().parents[1]
BROKERS = 2
"""Tests of Kafka mostly wait: two processes, each with its own broker, wait at the same time."""


class ByFile(LoadScopeScheduling):
    """The tests of a file go to one process, and the files with tests of Kafka to two of them.

    So what a module prepares is made once, and only two brokers are started. Those that look at the
    replayed sample go to one, too. (xdist's own groups, --dist loadgroup, have no effect with
    pytest 9.)
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        of_kafka = _files_with("kafka: str", 'usefixtures("kafka")')
        if file in of_kafka:
            return f"kafka {of_kafka.index(file) % BROKERS}"
        return "sample" if file in _files_with("sample: SampleReplay") else file


@cache
def _files_with(*texts: str) -> list[str]:
    """Files of tests that take a fixture, which shows in how they name it."""
    found = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        written = path.read_text(encoding="utf-8")
        if any(text in written for text in texts):
            found.append(path.relative_to(ROOT).as_posix())
    return found
