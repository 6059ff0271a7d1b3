"""The small job on Pathway: two aggregations over one Kafka table, in its Rust engine.

State is in memory and gone with the process: no persistence is configured. What it writes are
changes: a row that no longer holds is written again with `diff` -1.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from benchmarks.peers import options

NEVER = "9999"
"""Sorts after every time."""
TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
LAST_WRITES_S = 4.0
"""From the last event's count to the end of the process: a streaming run has no end of its own, and
does not tell when Kafka has everything. The same in a short and a long run, so it cancels out."""


def run(given: options.Options) -> None:
    import pathway as pw  # here, because it reads the number of threads while it is imported

    class Event(pw.Schema):  # type: ignore[misc]
        event: str
        userId: str  # noqa: N815  (Segment's spelling)
        groupId: str  # noqa: N815
        timestamp: str

    events = pw.io.kafka.read(
        {
            "bootstrap.servers": given.bootstrap_servers,
            "group.id": given.group,
            "auto.offset.reset": "earliest",
            # librdkafka's default waits a second whenever its queue was full.
            "fetch.queue.backoff.ms": "5",
        },
        topic=given.topic,
        format="json",
        schema=Event,
        json_field_paths={"groupId": "/context/groupId"},
        autocommit_duration_ms=1000,
    )

    by_day = events.select(
        account=pw.this.groupId, user=pw.this.userId, day=pw.this.timestamp.str.slice(0, 10)
    )
    members = by_day.groupby(pw.this.account, pw.this.day, pw.this.user).reduce(
        pw.this.account, pw.this.day
    )
    active_users = members.groupby(pw.this.account, pw.this.day).reduce(
        pw.this.account, pw.this.day, users=pw.reducers.count()
    )

    users = events.groupby(pw.this.userId, pw.this.groupId).reduce(
        user=pw.this.userId,
        account=pw.this.groupId,
        first=pw.reducers.min(pw.this.timestamp),
        activated=pw.reducers.min(
            pw.if_else(pw.this.event == "Report Created", pw.this.timestamp, NEVER)
        ),
    )
    activations = users.filter(pw.this.activated != NEVER).select(
        pw.this.user,
        pw.this.account,
        lag_ms=(
            pw.this.activated.dt.strptime(TIME) - pw.this.first.dt.strptime(TIME)
        ).dt.milliseconds(),
    )

    writer = {
        "bootstrap.servers": given.bootstrap_servers,
        "linger.ms": "50",
        "compression.type": "lz4",
    }
    pw.io.kafka.write(activations, writer, given.activations, format="json")
    pw.io.kafka.write(active_users, writer, given.active_users, format="json")

    def count(key: Any, row: dict[str, Any], time: int, is_addition: bool) -> None:
        if is_addition and row["events"] == given.events:
            threading.Timer(LAST_WRITES_S, os._exit, [0]).start()

    pw.io.subscribe(events.reduce(events=pw.reducers.count()), count)
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)


if __name__ == "__main__":
    given = options.read()
    os.environ["PATHWAY_THREADS"] = str(given.threads)  # as `pathway spawn --threads` does
    run(given)
