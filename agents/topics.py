"""The topics Headwater owns: one table of what they are, their creation and their check.

A topic's name is `<prefix>.<role>`. The partition counts of internal topics are fixed when a topic
is created, because the partition of a key, and with it the home of its state, follows from them;
only `headwater topics reshard` changes them, and moves the state (agents/reshard.py).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions
from kafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from schemas.outputs import (
    ALERTS,
    DEAD_LETTERS,
    KPIS,
    LISTS,
    RECEIPTS,
    SIGNALS,
    UNDELIVERED,
)
from streams.topology import Partitions

DAY_MS = 24 * 60 * 60 * 1000
AWAY_DAYS = 7
"""So long a worker may be away without losing anything."""
RECORD_BYTES_MAX = 4 * 1024 * 1024
"""Of every topic of ours: a dead letter holds the largest event there may be, as base64."""
BOOTSTRAP_TIMEOUT_MS = 10_000
GROWN_POLL_S = 0.05
BROKER_DEFAULT = -1
PLAINTEXT: Mapping[str, Any] = {}


class Topic(NamedTuple):
    """What one topic has to be. `retention_days` is None for a compacted topic, which keeps all."""

    role: str
    partitions: int
    cleanup: Literal["delete", "compact"]
    retention_days: int | None
    erasable: bool = False
    """True: nothing may stay longer than receipts of erasures promise."""

    def name(self, prefix: str) -> str:
        return topic_name(prefix, self.role)

    def settings(self) -> dict[str, str]:
        """The topic's settings as Kafka spells them."""
        settings: dict[str, str] = {
            "cleanup.policy": self.cleanup,
            "max.message.bytes": str(RECORD_BYTES_MAX),
        }
        if self.retention_days is not None:
            settings["retention.ms"] = str(self.retention_days * DAY_MS)
            if self.erasable:
                # A segment is deleted as a whole, when its last record is old enough.
                settings["segment.ms"] = str(DAY_MS)
        if self.cleanup == "compact":
            # An erased person's records must be gone within a bound that can be promised: a day
            # until the log is compacted, and a day until the tombstone itself goes.
            settings["max.compaction.lag.ms"] = str(DAY_MS)
            settings["delete.retention.ms"] = str(DAY_MS)
        return settings

    def bounds_ms(self) -> dict[str, int]:
        """Settings that must not be larger, where somebody may be erased."""
        settings = self.settings()
        return {name: int(settings[name]) for name in _BOUNDS if name in settings}


RECEIPTS_TOPIC = Topic(RECEIPTS, 1, "compact", None, erasable=True)
"""There where somebody may be erased."""
_BOUNDS = ("retention.ms", "segment.ms", "max.compaction.lag.ms", "delete.retention.ms")


def topics_of(counts: Partitions, *, erasable: bool = False) -> tuple[Topic, ...]:
    """What every topic has to be where the stages have these partitions.

    `erasable`: where the plan lets users and accounts be erased. Then nothing that may name them is
    kept longer than what a worker may be away.
    """
    topics = _topics_of(counts)
    if not erasable:
        return topics
    shorter = (
        each._replace(
            erasable=True,
            retention_days=each.retention_days and min(each.retention_days, AWAY_DAYS),
        )
        for each in topics
    )
    return (*shorter, RECEIPTS_TOPIC)


def _topics_of(counts: Partitions) -> tuple[Topic, ...]:
    return (
        # Between the stages.
        Topic("activity", counts.accounts, "delete", AWAY_DAYS),
        Topic("user-facts", counts.users, "delete", AWAY_DAYS),
        Topic("user-state", counts.accounts, "delete", AWAY_DAYS),
        Topic("tallies", counts.tallies, "delete", AWAY_DAYS),
        Topic("company", 1, "delete", AWAY_DAYS),
        # State of a stage: partition p belongs to partition p of the topic the stage reads.
        Topic("accounts.state", counts.accounts, "compact", None),
        Topic("users.state", counts.users, "compact", None),
        Topic("tallies.state", counts.tallies, "compact", None),
        Topic("company.state", 1, "compact", None),
        # The plan that the prefix runs under, and its number of partitions.
        Topic("plans", 1, "compact", None),
        # Outputs, for others to read.
        Topic(KPIS, 8, "compact", None),
        Topic(LISTS, 8, "compact", None),
        Topic(SIGNALS, 8, "delete", 90),
        Topic(ALERTS, 8, "delete", 90),
        Topic(UNDELIVERED, 1, "delete", 90),
        Topic(DEAD_LETTERS, 8, "delete", AWAY_DAYS),
    )


TOPICS = topics_of(Partitions())

PARTITIONS = {topic.role: topic.partitions for topic in TOPICS}


class Difference(NamedTuple):
    """One way in which a topic is not what it has to be; `sentence` says what to do about it."""

    topic: str
    kind: Literal["missing", "partitions", "cleanup", "bound"]
    sentence: str


class TopicError(RuntimeError):
    """The broker could not be asked, or refused; the message says what to do."""


def topic_name(prefix: str, role: str) -> str:
    return f"{prefix}.{role}"


def state_role(stage: str) -> str:
    """The role of the state topic of a stage ('accounts', 'users', 'tallies' or 'company')."""
    return f"{stage}.state"


def create(
    bootstrap: str,
    prefix: str,
    replication: int = BROKER_DEFAULT,
    *,
    partitions: Partitions = Partitions(),  # noqa: B008 - it is immutable
    only: str | None = None,
    erasable: bool = False,
    security: Mapping[str, Any] = PLAINTEXT,
) -> list[str]:
    """Create the topics that do not exist yet and return their names, in the table's order.

    Topics that exist stay as they are (`check` tells whether they fit). `replication` is the number
    of copies of each partition; by default the broker decides. `only`: the role of the one topic to
    create. `erasable`: see `topics_of`. Returns when every new topic can be used. `security` is
    what kafka-python needs to connect. TopicError when the broker cannot be reached or refuses.
    """
    with _admin(bootstrap, security) as admin:
        existing = set(admin.list_topics())
        table = topics_of(partitions, erasable=erasable)
        wanted = [topic for topic in table if only in (None, topic.role)]
        missing = [t for t in wanted if t.name(prefix) not in existing]
        if not missing:
            return []
        answer = admin.create_topics(
            {
                topic.name(prefix): {
                    "num_partitions": topic.partitions,
                    "replication_factor": replication,
                    "configs": topic.settings(),
                }
                for topic in missing
            },
            raise_errors=False,
        )
        created = [each["name"] for each in answer["topics"] if _was_created(each)]
        # Also those that somebody else was creating at the same moment.
        admin.wait_for_topics([topic.name(prefix) for topic in missing])
    order = [topic.name(prefix) for topic in table]
    return sorted(created, key=order.index)


def check(
    bootstrap: str,
    prefix: str,
    inputs: Sequence[str] = (),
    *,
    partitions: Partitions = Partitions(),  # noqa: B008 - it is immutable
    erasable: bool = False,
    security: Mapping[str, Any] = PLAINTEXT,
) -> list[Difference]:
    """Every difference between the topics on the broker and the table, in the table's order.

    `inputs` are the company's own topics that a plan reads: they only have to exist. Retention is
    left to the company and not compared, unless somebody may be erased (`erasable`). TopicError
    when the broker cannot be reached or refuses.
    """
    table = topics_of(partitions, erasable=erasable)
    names = [topic.name(prefix) for topic in table]
    with _admin(bootstrap, security) as admin:
        counts = _partition_counts(admin, [*inputs, *names])
        settings = _settings(admin, [name for name in names if name in counts])
    differences = [_missing_input(name) for name in inputs if name not in counts]
    for topic in table:
        name = topic.name(prefix)
        differences += _differences(topic, name, counts.get(name), settings.get(name, {}))
    return differences


def grow(
    bootstrap: str,
    prefix: str,
    partitions: Partitions,
    *,
    security: Mapping[str, Any] = PLAINTEXT,
) -> None:
    """Gives topics that have fewer partitions as many as the table says; new ones are empty.

    Nothing is done for topics that have so many already. TopicError as in `check`.
    """
    wanted = {topic.name(prefix): topic.partitions for topic in topics_of(partitions)}
    with _admin(bootstrap, security) as admin:
        counts = _partition_counts(admin, list(wanted))
        new = {name: NewPartitions(count) for name, count in wanted.items() if counts[name] < count}
        if new:
            admin.create_partitions(new)
        while any(n < wanted[name] for name, n in _partition_counts(admin, list(new)).items()):
            time.sleep(GROWN_POLL_S)


def partition_counts(
    bootstrap: str, names: Iterable[str], *, security: Mapping[str, Any] = PLAINTEXT
) -> dict[str, int]:
    """Number of partitions of each of the topics that exist. TopicError as in `check`."""
    with _admin(bootstrap, security) as admin:
        return _partition_counts(admin, names)


def copies_of(bootstrap: str, name: str, *, security: Mapping[str, Any] = PLAINTEXT) -> int | None:
    """How many copies each partition of a topic has; None: there is no such topic."""
    with _admin(bootstrap, security) as admin:
        for topic in admin.describe_topics():
            if topic["name"] == name:
                return len(topic["partitions"][0]["replica_nodes"])
    return None


def _missing_input(name: str) -> Difference:
    return Difference(
        name,
        "missing",
        f"Input topic {name} does not exist: create it, or correct its name under `inputs` in the "
        "plan.",
    )


def _differences(
    topic: Topic, name: str, partitions: int | None, settings: Mapping[str, str]
) -> Iterator[Difference]:
    if partitions is None:
        yield Difference(
            name,
            "missing",
            f"Topic {name} does not exist: run `headwater topics create`, or create it with "
            f"{topic.partitions} partition(s) and cleanup.policy={topic.cleanup}.",
        )
        return
    if partitions != topic.partitions:
        yield Difference(
            name,
            "partitions",
            f"Topic {name} has {partitions} partition(s) and must have {topic.partitions}: "
            "if `headwater topics reshard` was interrupted, run it again; by hand partitions "
            "cannot be changed under existing state. Use another prefix otherwise, or delete the "
            "topics of this prefix and start over.",
        )
    cleanup = settings["cleanup.policy"]
    if cleanup != topic.cleanup:
        yield Difference(
            name,
            "cleanup",
            f"Topic {name} has cleanup.policy={cleanup} and must have {topic.cleanup}: "
            "set it with Kafka's own tools (kafka-configs --alter).",
        )
    for setting, most_ms in topic.bounds_ms().items() if topic.erasable else ():
        if not 0 <= int(settings[setting]) <= most_ms:
            yield Difference(
                name,
                "bound",
                f"Topic {name} has {setting}={settings[setting]}, and with `erasure` in the plan "
                f"at most {most_ms} is allowed, or whoever is erased would stay longer than the "
                "receipt says: set it with Kafka's own tools (kafka-configs --alter).",
            )


def _partition_counts(admin: KafkaAdminClient, names: Iterable[str]) -> dict[str, int]:
    """Number of partitions of each of the topics that exist."""
    # Asking for all and choosing here: asking for one that is missing may create it on a broker
    # with automatic topic creation.
    wanted = set(names)
    return {
        topic["name"]: len(topic["partitions"])
        for topic in admin.describe_topics()
        if topic["name"] in wanted
    }


def _settings(admin: KafkaAdminClient, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """The settings of each topic that are compared."""
    if not names:
        return {}
    compared = ["cleanup.policy", *_BOUNDS]
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, compared) for name in names]
    answer = admin.describe_configs(resources, config_filter="all")["topic"]
    return {
        name: {setting: found[setting]["value"] for setting in compared}
        for name, found in answer.items()
    }


def _was_created(answer: dict[str, Any]) -> bool:
    """Whether this answer is a success; False when somebody else created the topic meanwhile."""
    if answer["error_code"] == 0:
        return True
    error = for_code(answer["error_code"])
    if error is TopicAlreadyExistsError:
        return False
    said = answer["error_message"] or error.__name__
    raise TopicError(f"The broker did not create topic {answer['name']}: {said}")


@contextmanager
def _admin(bootstrap: str, security: Mapping[str, Any]) -> Iterator[KafkaAdminClient]:
    try:
        admin = KafkaAdminClient(
            bootstrap_servers=bootstrap, bootstrap_timeout_ms=BOOTSTRAP_TIMEOUT_MS, **security
        )
    except KafkaError as error:
        raise TopicError(
            f"No Kafka broker answers at {bootstrap} ({error}): start it, or correct the address."
        ) from error
    try:
        yield admin
    except KafkaError as error:
        raise TopicError(f"The broker at {bootstrap} refused: {error}") from error
    finally:
        admin.close()
