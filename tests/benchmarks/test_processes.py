"""A measured program."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.processes import ProgramError, run


def test_a_program_that_works_has_its_processor_time_and_memory_told(tmp_path: Path):
    work = "sum(range(3_000_000)); kept = bytearray(50_000_000)"
    used = run([sys.executable, "-c", work], cwd=tmp_path, log=tmp_path / "log")

    assert 0 < used.cpu_s <= used.wall_s * 4
    assert used.peak_bytes > 50_000_000


def test_a_programs_memory_is_its_own_and_not_that_of_who_starts_it(tmp_path: Path):
    ours = bytearray(b"x") * 200_000_000
    used = run([sys.executable, "-c", ""], cwd=tmp_path, log=tmp_path / "log")

    assert used.peak_bytes < len(ours) / 2


def test_a_program_that_fails_is_an_error_with_its_last_words(tmp_path: Path):
    with pytest.raises(ProgramError, match=r"exit code 3\nsorry"):
        run(
            [sys.executable, "-c", "import sys; print('sorry'); sys.exit(3)"],
            cwd=tmp_path,
            log=tmp_path / "log",
        )


def test_a_program_that_takes_too_long_is_ended(tmp_path: Path):
    with pytest.raises(ProgramError, match="not done in 0 s"):
        run(["sleep", "60"], cwd=tmp_path, log=tmp_path / "log", timeout_s=0.2)
