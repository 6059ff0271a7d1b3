"""The key under which ids are hashed, from the environment: it is in no plan and in no topic."""

import os
from collections.abc import Mapping

from schemas.keyed_hash import KEY_BYTES_MIN
from schemas.plan.models import Plan

KEY_VARIABLE = "HEADWATER_PRIVACY_KEY"


class KeyInvalid(Exception):
    """There is no key, or none that can be used; says what to do."""


def privacy_key(plan: Plan, environment: Mapping[str, str] = os.environ) -> bytes | None:
    """The key; None for a plan that hashes no ids. Raises KeyInvalid."""
    if not plan.hashes_ids:
        return None
    key = environment.get(KEY_VARIABLE, "").strip().encode()
    if len(key) < KEY_BYTES_MIN:
        found = f"has {len(key)} bytes" if key else "is not set"
        raise KeyInvalid(
            f"the plan needs a secret key to hash ids, and {KEY_VARIABLE} {found}: set it to "
            f"{KEY_BYTES_MIN} bytes or more, such as what `openssl rand -hex 32` says, the same "
            "for every worker and for good"
        )
    return key
