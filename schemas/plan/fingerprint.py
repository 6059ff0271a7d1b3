"""The identity of a plan: equal for plans that mean the same in their normal form."""

from hashlib import blake2b

from schemas.outputs import ID_HEX_DIGITS, canonical_json
from schemas.plan.models import Plan


def plan_hash(plan: Plan) -> str:
    """The first 32 hex digits of BLAKE2b over the canonical JSON of the normal form.

    Comments, the order of keys, shorthands and defaults written out make no difference.
    """
    normal = plan.model_dump(mode="json", by_alias=True)
    return blake2b(canonical_json(normal)).hexdigest()[:ID_HEX_DIGITS]
