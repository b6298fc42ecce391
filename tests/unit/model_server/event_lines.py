"""Events to write into an event log, and the lines that its files hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def make_events(count: int = 1, text: str = "x") -> list[dict[str, Any]]:
    return [{"event": {"id": f"{text[:8]}{index}"}, "message": text} for index in range(count)]


def lines_in(folder: Path) -> list[dict[str, Any]]:
    """Return all events in a folder, as a reader of `*.ndjson` reads them; each line must be whole."""
    texts = [path.read_text() for path in folder.glob("*.ndjson")]
    assert all(text.endswith("\n") or not text for text in texts)
    return [json.loads(line) for text in texts for line in text.splitlines()]


def sequences(folder: Path) -> list[int]:
    return sorted(line["event"]["sequence"] for line in lines_in(folder))
