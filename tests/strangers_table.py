"""A stranger's table: names of columns with blanks and brackets, local times, yes and no, a few broken rows."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from pathlib import Path

HEADER = "Case [no];decided at;risk (model);defaulted?"
ROWS = 1200
FIRST, LENGTH = datetime(2026, 7, 6), timedelta(days=2)
BROKEN = {200: "empty score", 500: "no such day", 900: "no label"}
"""The rows that cannot be read, by their numbers from 0."""


def write_strangers_table(path: Path, seed: int = 7) -> None:
    """Write `loans.csv`: two days of Berlin's time in July, the same for the same seed."""
    dice = random.Random(seed)
    lines = [HEADER]
    for number in range(ROWS):
        moment = FIRST + LENGTH * number / ROWS
        risk = dice.betavariate(2, 4)
        defaulted = "yes" if dice.random() < risk * 0.9 else "no"
        case, at, score = f"L-{number:05}", f"{moment:%d.%m.%Y %H:%M}", f"{risk:.4f}"
        trouble = BROKEN.get(number)
        score = "" if trouble == "empty score" else score
        at = "31.06.2026 10:00" if trouble == "no such day" else at
        defaulted = "maybe" if trouble == "no label" else defaulted
        lines.append(f"{case};{at};{score};{defaulted}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
