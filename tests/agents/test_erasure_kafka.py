"""Erasure on a real broker: the latest record of every key in every compacted topic forgets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from agents.privacy_key import KEY_VARIABLE
from agents.topics import check, topic_name, topics_of
from schemas.times import DAY_MS, iso, parse_iso
from streams.topology import Partitions
from tests.kafka_runs import Headwater, committed_pairs, committed_records, create_input, send

FIRST_MS = parse_iso("2026-03-02T09:00:00Z")
UNTIL = "2026-03-20"
USER, BROWSER, ACCOUNT = "user-to-forget", "browser-to-forget", "account-to-forget"
PARTITIONS = 2
DEPTH = {
    "id": "depth",
    "name": "Depth",
    "group": "own",
    "operator": "score",
    "subject": "user",
    "among": {"kind": "activity"},
    "let": {"facts": {"facts": {"kind": "activity"}}},
    "formula": "facts",
    "unit": "facts",
    "periods": ["trailing_7d"],
    "definition": "Facts of activity of a user in seven days.",
    "example": "two -> 2.",
}
"""A value per user."""


@pytest.fixture
def headwater(
    kafka: str, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Headwater]:
    monkeypatch.setenv(KEY_VARIABLE, "the key of this test and of no other")
    plan = tmp_path / "plan.yaml"
    plan.write_text(
        yaml.safe_dump(
            {
                "product": "Erasure",
                "inputs": [{"topic": f"{prefix}-in"}],
                "prefix": prefix,
                "activity": "all",
                "activation": "Done",
                "milestones": {"distinct_users": [2], "activated_users": [1]},
                "kpis": {"levels": {"account": ["dau"]}, "own": [DEPTH]},
                "horizon": "all",
                "erasure": {"users": "Forget Me"},
            }
        )
    )
    command = Headwater(kafka, plan)
    yield command
    command.end_all()


def use(number: int, who: dict[str, str], event: str = "Done", **more: Any) -> bytes:
    at = iso(FIRST_MS + number * DAY_MS // 4)
    call = {"type": "track", "event": event, "messageId": f"m{number}", "timestamp": at}
    account = {"groupId": ACCOUNT if number % 2 else "a0"}
    return orjson.dumps(call | who | {"context": account} | more)


def log() -> list[bytes]:
    theirs = [use(n, {"userId": USER}) for n in range(8)]
    browsed = [use(10 + n, {"anonymousId": BROWSER}) for n in range(4)]
    identity = {"userId": USER, "anonymousId": BROWSER}
    others = [use(20 + n, {"userId": f"other-{n % 3}"}) for n in range(12)]
    return [*theirs, *browsed, use(19, identity, "", type="identify"), *others]


def last_words(bootstrap: str, prefix: str) -> dict[tuple[str, bytes], bytes | None]:
    """The latest committed value of each key of every compacted topic, None for a tombstone."""
    compacted = [t for t in topics_of(Partitions(), erasable=True) if t.cleanup == "compact"]
    return {
        (topic.role, key): value
        for topic in compacted
        for key, value in committed_pairs(bootstrap, topic.name(prefix))
    }


def naming(words: dict[tuple[str, bytes], bytes | None], *ids: str) -> set[str]:
    """The topics of which some last word names one of these."""
    return {
        role
        for (role, key), value in words.items()
        if value is not None and any(id.encode() in key or id.encode() in value for id in ids)
    }


def test_no_compacted_topic_knows_whoever_was_erased_and_there_is_one_receipt_each(
    kafka: str, prefix: str, headwater: Headwater
) -> None:
    create_input(kafka, f"{prefix}-in", PARTITIONS)
    headwater.create_topics()
    assert check(kafka, prefix, erasable=True) == []
    send(kafka, f"{prefix}-in", log(), PARTITIONS)
    code, _, errors = headwater.run("run", "--until", UNTIL)
    assert code == 0, errors
    words = last_words(kafka, prefix)
    assert naming(words, USER, BROWSER) == {"accounts.state", "users.state", "kpis"}
    assert naming(words, ACCOUNT) == {"accounts.state", "users.state", "kpis"}

    code, of_user, errors = headwater.run("erase", "--user", USER)
    assert code == 0, errors
    work_again(kafka, prefix, headwater)
    words = last_words(kafka, prefix)
    assert naming(words, USER, BROWSER) == set()
    assert removed(words, b"user-to-forget") == {"accounts.state", "users.state", "kpis"}

    code, of_account, errors = headwater.run("erase", "--account", ACCOUNT)
    assert code == 0, errors
    work_again(kafka, prefix, headwater)
    words = last_words(kafka, prefix)
    assert naming(words, USER, BROWSER, ACCOUNT) == set()
    assert removed(words, b"account-to-forget") == {"accounts.state", "kpis"}
    receipts = committed_records(kafka, topic_name(prefix, "receipts"))
    user, account = map(orjson.loads, receipts)
    assert (user["request"], user["kind"]) == (of_user.strip(), "user")
    assert user["removed"] == {"copies": 1, "ids": 2, "memberships": 4}
    assert user["yours_to_clear"] == [f"{prefix}-in"]
    assert (account["request"], account["kind"]) == (of_account.strip(), "account")
    assert account["removed"] == {"accounts": 1, "memberships": 3}


def work_again(kafka: str, prefix: str, headwater: Headwater) -> None:
    """Lets workers run; what is told again, and after a restart, changes nothing."""
    for _ in range(2):
        send(kafka, f"{prefix}-in", log()[:10], PARTITIONS)
        code, _, errors = headwater.run("run", "--until", UNTIL)
        assert code == 0, errors


def removed(words: dict[tuple[str, bytes], bytes | None], id: bytes) -> set[str]:
    """The topics in which a record under an id was removed."""
    return {role for (role, key), value in words.items() if value is None and id in key}
