"""How the tests are shared out between the processes of `make test`."""

from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).resolve().parents[1]


class ByFile(LoadScopeScheduling):
    """The tests of a file go to one process, and all files with tests of Kafka to the same one.

    So what a module prepares is made once, and only one broker is started. (xdist's own groups,
    --dist loadgroup, have no effect with pytest 9.)
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "kafka" if _needs_kafka(file) else file


@cache
def _needs_kafka(file: str) -> bool:
    """A test takes the fixture as `kafka: str`, or says `usefixtures("kafka")`."""
    text = (ROOT / file).read_text(encoding="utf-8")
    return "kafka: str" in text or 'usefixtures("kafka")' in text
