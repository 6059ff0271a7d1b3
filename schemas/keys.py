"""Keys of what state is about, and the partition a key belongs to.

Keys are namespaced, so that an account, a user and an object with the same id never meet:
`a:<account>`, `u:<known user>`, `anon:<anonymous user>`, `o:<kind>:<id>` of a thing with a life of
its own, such as a ticket, and `n:<kind>` for what is about nobody. The two user forms are *leaves*:
raw ids as they arrive, which identity facts later join to a person.
"""

import xxhash

ACCOUNT = "a:"
USER = "u:"
ANONYMOUS = "anon:"
THING = "o:"
NOBODY = "n:"
GONE = "gone:"
"""With a number, stands for who was erased where numbers are kept: the name of nobody."""


def account_key(account: str) -> str:
    return ACCOUNT + account


def leaf_key(user: str | None, anonymous: str | None) -> str | None:
    """The leaf of an event: its known user, else its anonymous one, else None."""
    if user is not None:
        return USER + user
    if anonymous is not None:
        return ANONYMOUS + anonymous
    return None


def thing_key(kind: str, id: str) -> str:
    return f"{THING}{kind}:{id}"


def nobody_key(kind: str) -> str:
    """Where facts of a kind are counted that name neither an account nor a user."""
    return NOBODY + kind


def shown_user(leaf: str) -> str:
    """How a leaf is written in outputs: a known id bare, an unidentified one as `anon:<id>`."""
    return leaf[2:] if leaf.startswith(USER) else leaf


def shown_account(key: str) -> str | None:
    """The account id of an account key; None for every other key."""
    return key[2:] if key.startswith(ACCOUNT) else None


def partition_of(key: str, partitions: int) -> int:
    """Stable across processes, machines and versions: XXH3-64 of the UTF-8 bytes, modulo."""
    return xxhash.xxh3_64_intdigest(key.encode("utf-8", "surrogatepass")) % partitions
