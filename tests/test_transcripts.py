"""Every transcript holds, however the stages are split and whenever they restart."""

from pathlib import Path

import pytest
import yaml

from tests.transcript import RefusedError, play

FOLDER = Path(__file__).parent / "transcripts"
TRANSCRIPTS = sorted(FOLDER.glob("*.yaml"))
WRONG = sorted((FOLDER / "wrong").glob("*.yaml"))


def named(file: Path) -> str:
    return file.stem


@pytest.mark.parametrize("file", TRANSCRIPTS, ids=named)
def test_a_transcript_holds(file: Path) -> None:
    play(file)


@pytest.mark.parametrize("file", TRANSCRIPTS, ids=named)
def test_a_transcript_holds_with_one_partition(file: Path) -> None:
    play(file, partitions=1)


@pytest.mark.parametrize("file", TRANSCRIPTS, ids=named)
def test_a_transcript_holds_with_a_restart_after_every_step(file: Path) -> None:
    play(file, restarts=True)


@pytest.mark.parametrize("file", WRONG, ids=named)
def test_a_wrong_transcript_is_refused(file: Path) -> None:
    refused = yaml.safe_load(file.read_text(encoding="utf-8"))["refused"]
    with pytest.raises(RefusedError, match=refused):
        play(file)


def test_there_are_transcripts() -> None:
    assert len(TRANSCRIPTS) >= 12
    assert len(WRONG) >= 3
