"""Rows that go through the pipeline together, and what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from monitor_agent.importing.progress import ImportCounts
from monitor_agent.importing.sources import SourceFile

STOPPED = "the import was stopped; the same command goes on from there"


class RowLine(NamedTuple):
    """One event line of a row, or a row that is refused.

    Attributes
    ----------
    number : of the row.
    text : the event as JSON; of a refused row, the row itself.
    reason, explanation : why the row is refused, as in its dead letter; empty if it is not.
    """

    number: int
    text: bytes
    reason: str = ""
    explanation: str = ""


class LabelLine(NamedTuple):
    """The label of a prediction as an event line of its own.

    Attributes
    ----------
    event_id : of the label.
    text : the event as JSON.
    """

    event_id: str
    text: bytes


@dataclass(eq=False)
class RowPortion:
    """Rows that are delivered together.

    Attributes
    ----------
    path, sha256 : of their file.
    last : the number of the last row.
    labelled : by the id of the prediction, the labels that are in the line of their prediction.
    present : index and id of the predictions that were there already.
    counts : what becomes of the rows.
    """

    path: str
    sha256: str
    last: int
    lines: list[RowLine] = field(default_factory=list)
    labelled: dict[str, list[LabelLine]] = field(default_factory=dict)
    present: list[tuple[str, str]] = field(default_factory=list)
    counts: ImportCounts = field(default_factory=ImportCounts)


class RowFeed(Protocol):
    """Makes portions one after another; all calls come from one thread, except `settle`, which another thread calls."""

    def take(self, limit: int) -> RowPortion | None:
        """Return the next portion of up to `limit` rows; None if there is none now."""

    @property
    def finished(self) -> bool:
        """Whether there will be no further portion."""

    def settle(self, portions: Sequence[RowPortion]) -> None:
        """Note that portions are delivered, in the order of `take`."""


class PortionReader(Protocol):
    """Reads one file after another."""

    def open(self, source: SourceFile, done: int, limit: int) -> None:
        """Begin a file.

        Parameters
        ----------
        done : the number of the last row that is delivered already.
        limit : the number of rows of a portion.
        """

    def take(self) -> RowPortion | None:
        """Return the next portion; None at the end of the file.

        Raises
        ------
        DataError
            If the file cannot be read, or its times lack an offset.
        """
