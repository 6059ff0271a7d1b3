"""The small job on Faust as it comes: its own Kafka transport, one event at a time.

Who is active per account and day, how long each user takes from the first event to the first
report, one record out for each user who gets there. State is in plain dictionaries and gone with
the process: Faust's tables would make it durable, and several times slower. Prints one JSON object:
events, seconds from the first event to the last, and activations.
"""

from __future__ import annotations

import argparse
import json
import signal
import time
from collections import defaultdict
from datetime import datetime

import faust

SECONDS_PER_DAY = 86_400


class Context(faust.Record):
    groupId: str  # noqa: N815  (Segment's spelling)


class Event(faust.Record, serializer="json"):
    event: str
    userId: str  # noqa: N815
    timestamp: str
    context: Context


def build(bootstrap: str, topic: str, output: str, count: int, datadir: str) -> faust.App:
    """An app that does the job on `topic`, and ends the program after `count` events."""
    app = faust.App(
        f"stock-faust-{topic}",
        broker=f"kafka://{bootstrap}",
        consumer_auto_offset_reset="earliest",
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        datadir=datadir,
    )
    events = app.topic(topic, value_type=Event)
    activations = app.topic(output, value_serializer="json")

    active: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
    first_seen: dict[str, float] = {}
    lags: dict[str, float] = {}

    @app.agent(events)
    async def measure(stream: faust.StreamT[Event]) -> None:
        seen, started = 0, 0.0
        async for event in stream:
            if seen == 0:
                started = time.perf_counter()
            user = event.userId
            at = datetime.fromisoformat(event.timestamp).timestamp()
            active[event.context.groupId, int(at // SECONDS_PER_DAY)].add(user)
            first = first_seen.setdefault(user, at)
            if event.event == "Report Created" and user not in lags:
                lags[user] = at - first
                await activations.send(key=user, value={"user": user, "lag_seconds": lags[user]})
            seen += 1
            if seen == count:
                seconds = time.perf_counter() - started
                result = {"events": seen, "seconds": seconds, "activations": len(lags)}
                print(json.dumps(result), flush=True)
                signal.raise_signal(
                    signal.SIGTERM
                )  # which Faust's worker takes as the word to stop

    return app


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers.stock_faust")
    parser.add_argument("--bootstrap-servers", required=True)
    parser.add_argument("--topic", required=True, help="topic to read, from its beginning")
    parser.add_argument("--output", required=True, help="existing topic to write activations to")
    parser.add_argument("--events", type=int, required=True, help="stop after so many events")
    parser.add_argument("--datadir", required=True, help="folder for Faust's own files")
    options = parser.parse_args(arguments)
    app = build(
        options.bootstrap_servers, options.topic, options.output, options.events, options.datadir
    )
    faust.Worker(app, loglevel="ERROR", redirect_stdouts=False).execute_from_commandline()


if __name__ == "__main__":
    main()
