"""Topics on a real broker: what is created, and what the check says when something differs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from agents import topics
from schemas.outputs import BY_AGE, ERASED_WITHIN_DAYS
from schemas.times import DAY_MS
from streams.topology import Partitions


@pytest.fixture
def admin(kafka: str) -> Iterator[KafkaAdminClient]:
    client = KafkaAdminClient(bootstrap_servers=kafka)
    yield client
    client.close()


def test_the_roles_are_all_different():
    assert len(topics.PARTITIONS) == len(topics.TOPICS)


@pytest.mark.parametrize(
    ("stage", "read"),
    [
        ("accounts", "activity"),
        ("users", "user-facts"),
        ("tallies", "tallies"),
        ("company", "company"),
    ],
)
def test_a_state_topic_has_a_partition_for_each_its_stage_reads(stage: str, read: str):
    assert topics.PARTITIONS[topics.state_role(stage)] == topics.PARTITIONS[read]


def test_both_topics_of_accounts_are_partitioned_alike():
    assert topics.PARTITIONS["activity"] == topics.PARTITIONS["user-state"]


def test_before_creation_every_topic_is_missing_and_after_it_none(kafka: str, prefix: str):
    missing = topics.check(kafka, prefix)
    assert [each.kind for each in missing] == ["missing"] * len(topics.TOPICS)
    assert f"Topic {prefix}.activity does not exist" in missing[0].sentence

    created = topics.create(kafka, prefix, replication=1)

    assert created == [topic.name(prefix) for topic in topics.TOPICS]
    assert topics.check(kafka, prefix) == []


def test_creating_twice_creates_once(kafka: str, prefix: str):
    topics.create(kafka, prefix)
    assert topics.create(kafka, prefix) == []


def test_only_what_is_missing_is_created(kafka: str, prefix: str, admin: KafkaAdminClient):
    admin.create_topics({f"{prefix}.company": {"num_partitions": 1}}, wait_for_metadata=True)

    created = topics.create(kafka, prefix)

    assert f"{prefix}.company" not in created
    assert len(created) == len(topics.TOPICS) - 1


def test_the_broker_has_the_settings_of_the_table(kafka: str, prefix: str, admin: KafkaAdminClient):
    topics.create(kafka, prefix)
    names = ["retention.ms", "cleanup.policy", "max.compaction.lag.ms", "delete.retention.ms"]
    resources = [
        ConfigResource(ConfigResourceType.TOPIC, f"{prefix}.{role}", names)
        for role in ("accounts.state", "signals", "dead-letters")
    ]
    answer = admin.describe_configs(resources, config_filter="all")["topic"]
    settings = {
        name.removeprefix(f"{prefix}."): {key: entry["value"] for key, entry in entries.items()}
        for name, entries in answer.items()
    }

    day = str(24 * 3600 * 1000)
    state = settings["accounts.state"]
    assert state["cleanup.policy"] == "compact"
    assert (state["max.compaction.lag.ms"], state["delete.retention.ms"]) == (day, day)
    assert settings["signals"]["retention.ms"] == str(90 * 24 * 3600 * 1000)
    assert settings["dead-letters"]["retention.ms"] == str(7 * 24 * 3600 * 1000)


def test_another_partition_count_and_another_cleanup_policy_are_told(
    kafka: str, prefix: str, admin: KafkaAdminClient
):
    wrong = {
        f"{prefix}.tallies": {"num_partitions": 4},
        f"{prefix}.kpis": {"num_partitions": 8, "configs": {"cleanup.policy": "delete"}},
    }
    admin.create_topics(wrong, wait_for_metadata=True)
    topics.create(kafka, prefix)

    partitions, cleanup = topics.check(kafka, prefix)

    assert (partitions.topic, partitions.kind) == (f"{prefix}.tallies", "partitions")
    assert "has 4 partition(s) and must have 2" in partitions.sentence
    assert (cleanup.topic, cleanup.kind) == (f"{prefix}.kpis", "cleanup")
    assert "has cleanup.policy=delete and must have compact" in cleanup.sentence


def test_an_input_topic_only_has_to_exist(kafka: str, prefix: str, admin: KafkaAdminClient):
    topics.create(kafka, prefix)
    admin.create_topics({f"{prefix}-events": {"num_partitions": 3}}, wait_for_metadata=True)

    (difference,) = topics.check(kafka, prefix, [f"{prefix}-events", f"{prefix}-evnets"])

    assert (difference.topic, difference.kind) == (f"{prefix}-evnets", "missing")
    assert "`inputs` in the plan" in difference.sentence


def test_a_refusal_of_the_broker_is_told_with_its_words(kafka: str, prefix: str):
    with pytest.raises(topics.TopicError, match=r"replication factor of 3 cannot be reached"):
        topics.create(kafka, prefix, replication=3)


def test_a_broker_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(topics, "BOOTSTRAP_TIMEOUT_MS", 200)
    with pytest.raises(topics.TopicError, match=r"No Kafka broker answers at 127\.0\.0\.1:1 "):
        topics.check("127.0.0.1:1", "any")


def test_where_somebody_may_be_erased_nothing_may_be_kept_for_longer_than_promised(
    kafka: str, prefix: str
) -> None:
    created = topics.create(kafka, prefix)
    kinds = Counter(each.kind for each in topics.check(kafka, prefix, erasable=True))
    # no receipts; every topic that is not compacted has segments of a week, and three stay longer
    deleted = sum(topic.cleanup == "delete" for topic in topics.TOPICS)
    assert kinds == {"missing": 1, "bound": deleted + 3}
    assert topics.check(kafka, prefix) == []
    assert len(created) == len(topics.TOPICS)


def test_what_is_left_to_age_is_gone_when_the_receipt_says() -> None:
    bounds = {each.role: each.bounds_ms() for each in topics.topics_of(Partitions(), erasable=True)}
    for role in BY_AGE:
        assert sum(bounds[role].values()) <= ERASED_WITHIN_DAYS * DAY_MS


def test_topics_are_created_so_that_the_promise_holds(kafka: str, prefix: str) -> None:
    created = topics.create(kafka, prefix, erasable=True)
    assert topics.check(kafka, prefix, erasable=True) == []
    assert f"{prefix}.receipts" in created
