"""A replay that a crash interrupts is finished by the next one: no line is lost or sent twice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from monitor_agent.errors import PipelineError
from monitor_agent.logstash.delivery.letter_files import REPLAYED, note_replayed, read_notes
from monitor_agent.logstash.delivery.letter_replay import LetterReplay, ReplayedLetter

LETTERS = [ReplayedLetter("model-deadletters-2026.03.02", "a1", "2026-03-02T10:00:00.000000001Z")]


class CrashError(Exception):
    """Raised where the process would be killed."""


def crash(_letters: Sequence[ReplayedLetter]) -> None:
    raise CrashError


def event_files(folder: Path) -> list[bytes]:
    """Return what pipelines read."""
    return [path.read_bytes() for path in folder.glob("*.ndjson")]


def test_a_crash_before_the_removal_is_made_good(tmp_path: Path) -> None:
    """The lines are on disk, and the letters are there still: the next replay removes them first."""
    with pytest.raises(CrashError), LetterReplay(tmp_path, crash).locked():
        LetterReplay(tmp_path, crash).send(LETTERS, ["line"])
    before = event_files(tmp_path)
    removed: list[ReplayedLetter] = []

    with LetterReplay(tmp_path, removed.extend).locked() as finished:
        pass
    with LetterReplay(tmp_path, removed.extend).locked() as later:
        pass

    assert before == []
    assert removed == finished == LETTERS
    assert later == []
    assert event_files(tmp_path) == [b"line\n"]
    assert list(tmp_path.glob(".replay-*.letters")) == []


def test_a_crash_before_the_lines_are_written_changes_nothing(tmp_path: Path) -> None:
    """The letters stay; the list of them is removed."""
    (tmp_path / ".replay-1.ndjson.letters").write_text('[{"index":"i","id":"a1","ingested":""}]')

    with LetterReplay(tmp_path, crash).locked() as finished:
        assert finished == []

    assert list(tmp_path.glob(".replay-*.letters")) == []
    assert event_files(tmp_path) == []


def test_the_lines_of_an_earlier_version_are_sent(tmp_path: Path) -> None:
    """It made no list of letters."""
    (tmp_path / "replay-1.ndjson.pending").write_text("line\n")

    with LetterReplay(tmp_path, lambda _letters: None).locked():
        assert event_files(tmp_path) == [b"line\n"]


def test_one_replay_at_a_time(tmp_path: Path) -> None:
    """Two at once would send the same letters."""
    with (
        LetterReplay(tmp_path, crash).locked(),
        pytest.raises(PipelineError, match="another replay"),
        LetterReplay(tmp_path, crash).locked(),
    ):
        pass


def test_a_cut_note_spoils_no_other_note(tmp_path: Path) -> None:
    """A crash may leave a part of a line."""
    note_replayed(tmp_path, [("a", "1"), ("b", "2")])
    path = tmp_path / REPLAYED
    path.write_bytes(path.read_bytes()[:-3])
    note_replayed(tmp_path, [("c", "3")])

    assert read_notes(tmp_path, REPLAYED) == {("a", "1"), ("c", "3")}
