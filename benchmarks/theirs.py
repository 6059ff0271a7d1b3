"""A peer in the benchmark: its program on a filled topic, its time, and whether it is right."""

from __future__ import annotations

import shutil

from benchmarks.answers import from_peer, read_committed
from benchmarks.generate import Filled, create_topics
from benchmarks.measured import Timed
from benchmarks.ours import ROOT, WORK, agree
from benchmarks.peers.table import Peer
from benchmarks.processes import run


def time_peer(peer: Peer, bootstrap: str, topic: str, filled: Filled) -> Timed:
    """The peer from a topic's beginning to its end, on output topics of its own."""
    group = f"{topic}.{peer.key}"
    work = WORK / group
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    outputs = {name: f"{group}.{name}" for name in ("activations", "active-users")}
    create_topics(bootstrap, list(outputs.values()))
    told = {
        "bootstrap-servers": bootstrap,
        "topic": topic,
        "events": filled.events,
        **outputs,
        "group": group,
        "work": work,
        "threads": peer.threads,
    }
    options = [word for name, value in told.items() for word in (f"--{name}", str(value))]
    command = [*peer.system.environment.command(), *options]
    used = run(command, cwd=ROOT, log=WORK / f"{group}.log")
    answer = from_peer(*(read_committed(bootstrap, output) for output in outputs.values()))
    agree(peer.name, filled.answer, answer)
    shutil.rmtree(work)
    return Timed(filled.events, *used)
