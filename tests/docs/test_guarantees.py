"""docs/guarantees.md names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
TEST = re.compile(r"`(tests/[\w/]+\.py)?::(test_\w+)`")
SECTION_FILE = re.compile(r"^Tests .*?(?:are|is) in `(tests/[\w/]+\.py)`", re.MULTILINE)


def named_tests() -> list[tuple[str, str]]:
    """File and name; where no file is given, that of the section."""
    named = []
    for section in (ROOT / "docs" / "guarantees.md").read_text().split("\n#"):
        of_section = SECTION_FILE.search(section)
        for file, name in TEST.findall(section):
            named.append((file or (of_section.group(1) if of_section else ""), name))
    return named


def test_every_test_that_a_guarantee_names_exists():
    named = named_tests()
    assert len(named) > 30
    missing = [
        f"{file}::{name}"
        for file, name in named
        if not (ROOT / file).is_file() or f"def {name}(" not in (ROOT / file).read_text()
    ]
    assert missing == []
