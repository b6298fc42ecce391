"""How far an import has come: a file that survives a kill, so that the same command goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from monitor_agent.agent.backfill import BackfillProgress
from monitor_agent.errors import DataError, PipelineError
from monitor_agent.files import replace_file
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.instants import DAY

MOST_DAYS = 800
"""Each day has an index of its own: more of them are a mistake in the times, and too much for a small cluster."""
MOST_REFUSALS = 20
"""So many refused rows are named in the report; all of them are dead letters."""
_FIRST_DAY = instants.EPOCH.toordinal()


@dataclass(frozen=True)
class RefusedRow:
    """A row that became a dead letter.

    Attributes
    ----------
    file, row : its file, and its number there.
    reason : a reason of the dead letters.
    explanation : what is wrong; empty if the reason says it.
    """

    file: str
    row: int
    reason: str
    explanation: str


@dataclass
class ImportCounts:
    """What has become of rows.

    Attributes
    ----------
    rows : rows that were read.
    predictions, labels : predictions and labels in them that were accepted.
    present : predictions that were there already.
    refused : rows that became dead letters; the first ones are in `refusals`, their reasons in `reasons`.
    days : the days (UTC) of their predictions, as numbers of days since 1970.
    newest : the time of their newest event, ISO 8601; empty = none.
    """

    rows: int = 0
    predictions: int = 0
    labels: int = 0
    present: int = 0
    refused: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    refusals: list[RefusedRow] = field(default_factory=list)
    days: set[int] = field(default_factory=set)
    models: set[str] = field(default_factory=set)
    newest: str = ""

    def add(self, more: ImportCounts) -> None:
        """Add what has become of further rows."""
        self.rows += more.rows
        self.predictions += more.predictions
        self.labels += more.labels
        self.present += more.present
        self.refused += more.refused
        for reason, count in more.reasons.items():
            self.reasons[reason] = self.reasons.get(reason, 0) + count
        self.refusals += more.refusals[: max(0, MOST_REFUSALS - len(self.refusals))]
        self.days |= more.days
        self.models |= more.models
        self.newest = max(self.newest, more.newest)

    def add_refusal(self, refusal: RefusedRow) -> None:
        """Add a refused row."""
        self.refused += 1
        self.reasons[refusal.reason] = self.reasons.get(refusal.reason, 0) + 1
        if len(self.refusals) < MOST_REFUSALS:
            self.refusals.append(refusal)

    def add_day(self, predicted_at: datetime) -> None:
        """Add the day of a prediction."""
        self.days.add(predicted_at.toordinal() - _FIRST_DAY)

    def add_newest(self, moment: datetime) -> None:
        """Add the time of an event that may be the newest one."""
        self.newest = max(self.newest, moment.isoformat(timespec="microseconds"))

    @property
    def first_moments(self) -> list[datetime]:
        """The first moments of the days, in order."""
        return [instants.EPOCH + number * DAY for number in sorted(self.days)]

    @property
    def newest_moment(self) -> datetime | None:
        """The time of the newest event; None if there is none."""
        return datetime.fromisoformat(self.newest) if self.newest else None


def require_few_days(days: Collection[int], path: str) -> None:
    """Refuse a table of too many days.

    Parameters
    ----------
    path : the file of the last row.

    Raises
    ------
    DataError
        If there are too many days.
    """
    if len(days) > MOST_DAYS:
        raise DataError(
            f"the times of {path} lie on more than {MOST_DAYS} days",
            "check --time-format; import a longer table in pieces",
        )


class ImportProgress:
    """The progress of one import: of these files, with these options.

    Attributes
    ----------
    positions : SHA-256 of a file -> number of the last row that is delivered, with all rows before it.
    counts : of these rows.
    """

    def __init__(self, folder: Path, identity: Any) -> None:
        key = hashlib.sha256(orjson.dumps(identity, option=orjson.OPT_SORT_KEYS)).hexdigest()
        self._path = folder / f"import-{key[:32]}.json"
        self.begin_anew()
        self._read()

    def begin_anew(self) -> None:
        """Forget what is delivered: all rows are sent again, and nothing counts twice."""
        self.positions: dict[str, int] = {}
        self.counts = ImportCounts()

    @property
    def resumes(self) -> bool:
        """Whether an earlier run of this import was interrupted."""
        return bool(self.positions)

    def _read(self) -> None:
        try:
            document = orjson.loads(self._path.read_bytes())
            counts = document["counts"]
            refusals = [RefusedRow(**entry) for entry in counts.pop("refusals")]
            days, models = set(counts.pop("days")), set(counts.pop("models"))
            self.counts = ImportCounts(**counts, refusals=refusals, days=days, models=models)
            self.positions = document["positions"]
        except FileNotFoundError:
            return
        except (OSError, KeyError, TypeError, ValueError, AttributeError):
            self.begin_anew()

    def write(self) -> None:
        """Write the file.

        Raises
        ------
        PipelineError
            If it cannot be written.
        """
        counts = asdict(self.counts) | {"days": sorted(self.counts.days), "models": sorted(self.counts.models)}
        try:
            replace_file(self._path, orjson.dumps({"positions": self.positions, "counts": counts}))
        except OSError as error:
            raise PipelineError(f"{self._path} cannot be written ({error.strerror})", "free disk space") from error

    def delete(self) -> None:
        """Delete the file: the import is complete."""
        self._path.unlink(missing_ok=True)


class ImportDisplay:
    """Shows how far an import has come; this one shows nothing."""

    def rows(self, done: int, total: int) -> None:
        """Show how many rows are delivered, of about how many."""

    def days(self, at: BackfillProgress) -> None:
        """Show how much is computed."""


def spans(days: list[datetime]) -> list[tuple[datetime, datetime]]:
    """Return the days as ranges of adjacent days, [start, end).

    >>> [(start.day, end.day) for start, end in spans([datetime(2026, 11, day) for day in (1, 2, 5)])]
    [(1, 3), (5, 6)]
    """
    ranges: list[tuple[datetime, datetime]] = []
    for day in sorted(days):
        if ranges and ranges[-1][1] == day:
            ranges[-1] = ranges[-1][0], day + timedelta(days=1)
        else:
            ranges.append((day, day + timedelta(days=1)))
    return ranges
