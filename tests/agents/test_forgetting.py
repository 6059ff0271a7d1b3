"""What a replay writes names nobody who was erased in it."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from agents.forgetting import REDACTED, Forgetting
from agents.privacy_key import KEY_VARIABLE
from agents.results import ResultFiles, reopen
from schemas.keyed_hash import KeyedHash
from schemas.plan import load_plan
from streams.compiled_plan import CompiledPlan
from tests.agents.test_erasure_kafka import DEPTH
from tests.replays import headwater, read_replay

USER, ACCOUNT = "user-to-forget", "account-to-forget"
PLAN = {
    "product": "Erasure",
    "activity": "all",
    "activation": "Done",
    "milestones": {"distinct_users": [2], "activated_users": [1]},
    "kpis": {"levels": {"account": ["dau"]}, "own": [DEPTH]},
    "erasure": {"users": "Forget Me", "accounts": "Forget Account"},
    "alerts": {
        "late_after": "9999d",
        "rules": [
            {"id": "grows", "signal": "account_user_milestones.enter"},
            {"id": "starts", "signal": "activated"},
            {"id": "few", "level": "account", "kpi": "dau", "period": "day", "below": 9},
        ],
    },
}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "the key of this test and of no other")


def use(number: int, user: str, account: str = "a1", event: str = "Done", **more: Any) -> bytes:
    call = {"type": "track", "event": event, "messageId": f"m{number}", "userId": user}
    at = f"2026-03-{1 + number // 24:02d}T{number % 24:02d}:00:00Z"
    return orjson.dumps(call | {"timestamp": at, "context": {"groupId": account}} | more)


LOG = [
    *(use(n, USER) for n in range(3)),
    *(use(3 + n, f"u{n}", ACCOUNT) for n in range(3)),
    *(use(6 + n, f"u{n}") for n in range(3)),
    use(10, USER, timestamp="noon"),
    b'{"type": "track", "userId": "' + USER.encode() + b'", "oops',
    use(11, "u1", ACCOUNT, timestamp="noon"),
    use(12, "u1", timestamp="noon"),
    *(use(30 + n, "u1") for n in range(3)),
]
REQUESTS = [use(50, USER, event="Forget Me"), use(51, "u1", ACCOUNT, event="Forget Account")]


def replayed(folder: Path, log: list[bytes], *more: str | Path) -> dict[str, bytes]:
    """What each file of the results holds."""
    (folder / "plan.yaml").write_text(yaml.safe_dump(PLAN))
    (folder / "events.jsonl").write_bytes(b"\n".join(log))
    given = [folder / "events.jsonl", "--plan", folder / "plan.yaml", "--out", folder / "out"]
    headwater("replay", *given, *more)
    return {path.stem: path.read_bytes() for path in (folder / "out").glob("*.jsonl")}


@pytest.mark.parametrize("durable", [False, True])
def test_no_file_names_the_erased(tmp_path: Path, durable: bool) -> None:
    before = replayed(tmp_path, LOG)
    assert {n for n, held in before.items() if USER.encode() in held} == {
        "kpis",
        "signals",
        "alerts",
    }
    assert {n for n, held in before.items() if ACCOUNT.encode() in held} == {
        *("kpis", "signals", "alerts")
    }

    held = replayed(tmp_path, [*LOG, *REQUESTS], *(["--state", tmp_path / "s"] if durable else []))
    assert len(held["receipts"].splitlines()) == len(REQUESTS)
    assert [
        name for name, of in held.items() if USER.encode() in of or ACCOUNT.encode() in of
    ] == []
    found = read_replay(tmp_path / "out")
    assert any(key.subject == "a1" for key in found.kpis)
    assert found.summary["alerts"] == len(held["alerts"].splitlines())
    letters = [(each["original"] == "", each["reason"] == REDACTED) for each in found.dead_letters]
    assert letters == [(True, True)] * 3 + [(False, False)]


def test_where_nobody_is_erased_letters_stay_as_they_are(tmp_path: Path) -> None:
    letters = replayed(tmp_path, LOG)["dead_letters"]
    assert b64encode(LOG[9]) in letters
    assert REDACTED.encode() not in letters


def test_a_letter_with_the_id_is_found_where_events_have_pseudonyms() -> None:
    key = b"a key of a test, of so many bytes"
    plan = load_plan("product: p\nactivity: all\nprivacy: {pseudonyms: [users]}\nerasure: {}\n")
    hashed = "u:" + KeyedHash(key).of("user", USER)
    forgetting = Forgetting(lambda each: each == hashed, CompiledPlan(plan, key=key).pseudonyms)
    letter = {"original": b64encode(LOG[10]).decode(), "code": "c", "reason": "r", "topic": "t"}
    edited = forgetting.edited("dead-letters", orjson.dumps(letter))
    assert edited is not None
    assert orjson.loads(edited) == letter | {"original": "", "reason": REDACTED}


def test_results_that_were_edited_can_still_be_finished_after_a_crash(tmp_path: Path) -> None:
    files = ResultFiles(tmp_path)
    files._files["kpis"].write(b"one\ntwo\n")
    lengths = files.sync()
    dropped = files.edit(lambda _, line: None if line == b"one\n" else line)
    files.close()
    assert dropped["kpis"] == 1

    again = ResultFiles(tmp_path, lengths | reopen(tmp_path))
    again.finish({})
    assert (tmp_path / "kpis.jsonl").read_bytes() == b"two\n"


def test_a_variant_that_is_called_as_who_is_erased_hides_no_line() -> None:
    """An experiment may be called `user`, and is no user for that."""
    evidence = {"users": ["u1"], "experiments": {"user": "u9", "users": "u9"}}
    forgetting = Forgetting(lambda key: key in ("u:u9", "u:u", "u:9"), None)

    signal = orjson.dumps({"account": "a1", "user": "u1", "evidence": evidence})
    assert forgetting.edited("signals", signal) == signal
    of_u9 = orjson.dumps({"account": "a1", "user": None, "evidence": evidence | {"users": ["u9"]}})
    assert forgetting.edited("signals", of_u9) is None
