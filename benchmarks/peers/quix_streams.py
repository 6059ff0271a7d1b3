"""The small job on Quix Streams: state in its store (RocksDB), with a changelog topic.

Messages are keyed by account, so that an account's state is what `state` holds. At least once, as
is its default: offsets are committed every five seconds, after the changelog.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import count
from typing import Any

from quixstreams import Application, State

from benchmarks.peers import options


def measure(event: dict[str, Any], state: State) -> Iterator[dict[str, Any]]:
    user, account = event["userId"], event["context"]["groupId"]
    at = datetime.fromisoformat(event["timestamp"])
    day = event["timestamp"][:10]

    active = state.get(f"active {day}", [])
    if user not in active:
        active.append(user)
        state.set(f"active {day}", active)
        yield {"account": account, "day": day, "users": len(active)}

    first = state.get(f"first {user}")
    if first is None:
        first = event["timestamp"]
        state.set(f"first {user}", first)
    if event["event"] == "Report Created" and not state.exists(f"activated {user}"):
        state.set(f"activated {user}", True)
        lag_ms = round((at - datetime.fromisoformat(first)).total_seconds() * 1000)
        yield {"user": user, "account": account, "lag_ms": lag_ms}


def main() -> None:
    given = options.read()
    app = Application(
        broker_address=given.bootstrap_servers,
        consumer_group=given.group,
        auto_offset_reset="earliest",
        state_dir=given.work,
        loglevel="ERROR",
        # librdkafka's default waits a second whenever its queue was full.
        consumer_extra_config={"fetch.queue.backoff.ms": 5},
        producer_extra_config={"linger.ms": 50, "compression.type": "lz4"},
    )
    events = app.dataframe(app.topic(given.topic, value_deserializer="json"))
    processed = count(1)

    def stop_after_the_last(_: dict[str, Any]) -> None:
        if next(processed) == given.events:
            app.stop()  # once this message is done; what is open is committed then

    found = events.update(stop_after_the_last).apply(measure, stateful=True, expand=True)
    found.filter(lambda each: "lag_ms" in each).to_topic(
        app.topic(given.activations, value_serializer="json")
    )
    found.filter(lambda each: "users" in each).to_topic(
        app.topic(given.active_users, value_serializer="json")
    )
    app.run()


if __name__ == "__main__":
    main()
