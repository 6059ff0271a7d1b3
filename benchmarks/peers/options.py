"""What every peer in Python is told on its command line."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple, get_type_hints


class Options(NamedTuple):
    bootstrap_servers: str
    topic: str
    """To read, from its beginning."""
    events: int
    """How many there are in it. A peer ends when it has done them all."""
    activations: str
    active_users: str
    """Existing topics to write to, see benchmarks/answers.py."""
    group: str
    """For Kafka, and new in every run."""
    work: Path
    """An empty folder for files."""
    threads: int


def read(arguments: list[str] | None = None) -> Options:
    parser = argparse.ArgumentParser()
    for name, kind in get_type_hints(Options).items():
        parser.add_argument(f"--{name.replace('_', '-')}", required=True, type=kind)
    return Options(**vars(parser.parse_args(arguments)))
