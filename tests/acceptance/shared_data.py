"""Where the acceptance data lies (beside the repository, never in it), and what came of it."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared"

needs_shared_data = pytest.mark.skipif(
    not SHARED.is_dir(), reason="acceptance data (../shared) is not there"
)

TALLIES: dict[tuple[str, str], str] = {}
"""`equal/total` by (measure of a log, how the log was replayed), for the terminal summary."""
