"""How the tests are shared out between the processes of `make test`."""

from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).resolve().parents[1]
BROKERS = 2
"""Tests of Kafka mostly wait: two processes, each with its own broker, wait at the same time."""


class ByFile(LoadScopeScheduling):
    """The tests of a file go to one process, and the files with tests of Kafka to two of them.

    So what a module prepares is made once, and only two brokers are started. (xdist's own groups,
    --dist loadgroup, have no effect with pytest 9.)
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        files = _files_of_kafka()
        return f"kafka {files.index(file) % BROKERS}" if file in files else file


@cache
def _files_of_kafka() -> list[str]:
    """A test takes the fixture as `kafka: str`, or says `usefixtures("kafka")`."""
    found = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        if "kafka: str" in text or 'usefixtures("kafka")' in text:
            found.append(path.relative_to(ROOT).as_posix())
    return found
