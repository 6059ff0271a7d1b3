"""Plans as somebody would write them down; by libyaml where it is there, which is much quicker."""

from collections.abc import Mapping
from typing import Any

import yaml

_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def plan_text(plan: Mapping[str, Any]) -> str:
    text: str = yaml.dump(dict(plan), Dumper=_DUMPER, sort_keys=False, allow_unicode=True)
    return text
