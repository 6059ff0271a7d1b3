"""The consumer group as the broker sees it: whose slot is taken, and what nobody reads."""

import logging
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

from kafka import KafkaAdminClient
from kafka.admin import MemberToRemove
from kafka.errors import KafkaError

from agents.checkpoints import StopWorker
from agents.transport.kafka import KafkaSettings

log = logging.getLogger(__name__)

BOOTSTRAP_TIMEOUT_MS = 5_000
COORDINATOR_S = 60.0
ASK_AGAIN_S = 0.5


@contextmanager
def admin_client(settings: KafkaSettings) -> Iterator[KafkaAdminClient]:
    """A client for what librdkafka's Python binding cannot ask. Raises KafkaError."""
    client = KafkaAdminClient(
        bootstrap_servers=settings.bootstrap,
        bootstrap_timeout_ms=BOOTSTRAP_TIMEOUT_MS,
        **settings.security,
    )
    with closing(client):
        yield client


def present_slots(admin: KafkaAdminClient, group: str) -> set[str]:
    """Slots whose worker is a member: started, and not silent for the session time-out."""
    return {member["client_id"] for member in _members(admin, group)}


def leave_unless_all_is_read(settings: KafkaSettings, expected: Mapping[str, int]) -> None:
    """Gives up this slot's place in the group if it has one, and a partition that nobody reads.

    Whoever comes back to its place gets what it had, without a rebalance: after a topic grew the
    new partitions would be nobody's for good. `expected` is the partition count of each topic.
    Blocks, on a cluster that has just started until it knows groups.
    """
    deadline = time.monotonic() + COORDINATOR_S
    while True:
        try:
            with admin_client(settings) as admin:
                _leave_unless_all_is_read(admin, settings, expected)
        except KafkaError as error:
            if not error.retriable or time.monotonic() > deadline:
                raise StopWorker(
                    f"the group {settings.group} cannot be looked at: {error}"
                ) from error
            time.sleep(ASK_AGAIN_S)
        else:
            return


def _leave_unless_all_is_read(
    admin: KafkaAdminClient, settings: KafkaSettings, expected: Mapping[str, int]
) -> None:
    members = _members(admin, settings.group)
    unread = _unread(members, expected)
    mine = [each for each in members if each["group_instance_id"] == settings.slot]
    if unread and mine:
        log.warning("nobody reads %s: joining the group anew", ", ".join(unread))
        place = MemberToRemove(group_instance_id=settings.slot)
        admin.remove_group_members(settings.group, [place])


def _members(admin: KafkaAdminClient, group: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = admin.describe_groups([group])[group]["members"]
    return found


def _unread(members: list[dict[str, Any]], expected: Mapping[str, int]) -> list[str]:
    """Topics with partitions that are assigned to nobody."""
    read: dict[str, set[int]] = defaultdict(set)
    for member in members:
        for each in (member["member_assignment"] or {}).get("assigned_partitions", ()):
            read[each["topic"]].update(each["partitions"])
    return [topic for topic, count in expected.items() if not read[topic] >= set(range(count))]
