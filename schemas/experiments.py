"""Who gets which variant of an experiment: a function of its name and of who it is alone.

Nobody has to ask and nothing is kept: whoever knows the shares comes to the same variant.
"""

from collections.abc import Mapping
from hashlib import sha256

EXPERIMENTS = "experiments"
"""The field of a signal's evidence that maps experiments to variants."""

DRAWN_BYTES = 8
DRAWN_BITS = 8 * DRAWN_BYTES


def variant_of(experiment: str, id: str, shares: Mapping[str, int]) -> str:
    """The variant of somebody. `id`: as outputs show it; `shares`: by variant, 1 or more, in order.

    The first 8 bytes of SHA-256 of `<experiment>/<id>` in UTF-8 are a big-endian number below 2^64.
    As that lies in 2^64, so the variant lies in the shares, one behind the other.

    >>> shares = {"call": 45, "mail": 45, "holdout": 10}
    >>> [variant_of("welcome", id, shares) for id in ("a1", "anon:x", "a4")]
    ['call', 'mail', 'holdout']
    """
    digest = sha256(f"{experiment}/{id}".encode()).digest()
    drawn = int.from_bytes(digest[:DRAWN_BYTES], "big") * sum(shares.values()) >> DRAWN_BITS
    for variant, share in shares.items():
        drawn -= share
        if drawn < 0:
            return variant
    raise AssertionError("what is drawn lies below the sum of the shares")
