"""The small job on Faust as it comes: its own Kafka transport, one event at a time.

State is in plain dictionaries and gone with the process: Faust's tables would make it durable, and
several times slower. The numbers of active users are written once, at the end.
"""

from __future__ import annotations

import signal
from collections import defaultdict
from datetime import datetime

import faust

from benchmarks.peers import options


class Context(faust.Record):
    groupId: str  # noqa: N815  (Segment's spelling)


class Event(faust.Record, serializer="json"):
    event: str
    userId: str  # noqa: N815
    timestamp: str
    context: Context


def build(given: options.Options) -> faust.App:
    """An app that does the job and ends the program after the last event."""
    app = faust.App(
        given.group,
        broker=f"kafka://{given.bootstrap_servers}",
        consumer_auto_offset_reset="earliest",
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        datadir=str(given.work),
    )
    events = app.topic(given.topic, value_type=Event)
    activations = app.topic(given.activations, value_serializer="json")
    active_users = app.topic(given.active_users, value_serializer="json")

    active: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    first_seen: dict[str, datetime] = {}
    activated: set[str] = set()

    @app.agent(events)
    async def measure(stream: faust.StreamT[Event]) -> None:
        processed = 0
        async for event in stream:
            user, account = event.userId, event.context.groupId
            at = datetime.fromisoformat(event.timestamp)
            active[account, event.timestamp[:10]].add(user)
            first = first_seen.setdefault(user, at)
            if event.event == "Report Created" and user not in activated:
                activated.add(user)
                lag_ms = round((at - first).total_seconds() * 1000)
                value = {"user": user, "account": account, "lag_ms": lag_ms}
                await activations.send(key=account, value=value)
            processed += 1
            if processed == given.events:
                await finish()

    async def finish() -> None:
        for (account, day), users in active.items():
            value = {"account": account, "day": day, "users": len(users)}
            await active_users.send(key=account, value=value)
        await app.producer.flush()
        signal.raise_signal(signal.SIGTERM)  # which Faust's worker takes as the word to stop

    return app


def main() -> None:
    app = build(options.read())
    faust.Worker(app, loglevel="ERROR", redirect_stdouts=False).execute_from_commandline()


if __name__ == "__main__":
    main()
