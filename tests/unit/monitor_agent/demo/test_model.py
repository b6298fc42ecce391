"""Whether a folder holds a model, and the progress of a training."""

from __future__ import annotations

from pathlib import Path

from monitor_agent.demo.model import has_model, percentage


def test_a_model_is_a_saved_model_or_a_folder_of_versions(tmp_path: Path) -> None:
    """An empty folder, or the rest of an interrupted export, is no model."""
    (tmp_path / ".1-unfinished" / "new").mkdir(parents=True)
    (tmp_path / ".1-unfinished" / "saved_model.pb").touch()
    (tmp_path / "1").mkdir()

    assert not has_model(tmp_path)
    assert not has_model(tmp_path / "missing")
    (tmp_path / "1" / "saved_model.pb").touch()
    assert has_model(tmp_path)
    assert has_model(tmp_path / "1")


def test_the_progress_is_read_from_the_log(tmp_path: Path) -> None:
    """Reading counts as 0, exporting as 99, and other lines do not matter."""
    log = tmp_path / "training.log"
    assert percentage(log) == 0
    log.write_text("reading 0 %\n")
    assert percentage(log) == 0
    log.write_text("reading 0 %\ntraining 45 %\nW tensorflow says something 99 %\n")
    assert percentage(log) == 45
    log.write_text("training 100 %\nexporting 0 %\n")
    assert percentage(log) == 99
