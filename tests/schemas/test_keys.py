"""Keys of state, and the partition of a key, which must never change."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.keys import account_key, leaf_key, partition_of, shown_account, shown_user
from tests.laws import law


@pytest.mark.parametrize(
    ("user", "anonymous", "leaf", "shown"),
    [
        ("ada", None, "u:ada", "ada"),
        ("ada", "x1", "u:ada", "ada"),
        (None, "x1", "anon:x1", "anon:x1"),
        ("anon:x1", None, "u:anon:x1", "anon:x1"),
        ("", None, "u:", ""),
        (None, None, None, None),
    ],
)
def test_a_leaf_is_the_known_user_else_the_anonymous_one(
    user: str | None, anonymous: str | None, leaf: str | None, shown: str | None
):
    found = leaf_key(user, anonymous)

    assert found == leaf
    assert shown == (None if found is None else shown_user(found))


@pytest.mark.parametrize(
    ("key", "shown"), [("a:acme", "acme"), ("a:", ""), ("a:u:ada", "u:ada"), ("", None)]
)
def test_an_account_is_shown_by_its_id_and_the_lack_of_one_as_none(key: str, shown: str | None):
    assert shown_account(key) == shown


@law
@given(st.text(), st.text(), st.text())
def test_accounts_users_and_anonymous_ids_never_meet(account: str, user: str, anonymous: str):
    keys = {account_key(account), leaf_key(user, None), leaf_key(None, anonymous)}

    assert len(keys) == 3
    assert shown_account(account_key(account)) == account


@pytest.mark.parametrize(
    ("key", "of_16", "of_8"),
    [
        ("", 2, 2),
        ("a:acme", 11, 3),
        ("u:ada", 1, 1),
        ("anon:x1", 11, 3),
        ("u:Ærøskøbing", 8, 0),
        ("dau\x1f\x1fall", 11, 3),
    ],
)
def test_a_key_lives_in_the_same_partition_in_every_release(key: str, of_16: int, of_8: int):
    """State of running deployments lies there: if this fails, the change loses it."""
    assert (partition_of(key, 16), partition_of(key, 8)) == (of_16, of_8)


@law
@given(st.text(), st.integers(1, 64))
def test_every_text_has_a_partition(key: str, partitions: int):
    assert partition_of(key, partitions) in range(partitions)


def test_half_of_a_surrogate_pair_has_a_partition_too():
    assert partition_of("u:\ud83d", 16) in range(16)


def test_keys_spread_evenly():
    counts = [0] * 16
    for number in range(16_000):
        counts[partition_of(f"u:user{number}", 16)] += 1

    assert min(counts) > 850
    assert max(counts) < 1150
