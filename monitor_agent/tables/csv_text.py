"""The header and the rows of a CSV text, also of one whose quotes are not closed."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import IO

DELIMITERS = (",", ";", "\t", "|")
LONGEST_TEXT = 8000
"""Characters of a malformed row that are named."""
_QUOTED = re.compile(r'"(?:[^"]|"")*(?:"|$)')
_EXCEL_DELIMITER = re.compile(r"sep=(.)", re.IGNORECASE)
_END = "the end of the text"
"""A row after the last one. If it does not come out, a quote before it is not closed."""


@dataclass(frozen=True)
class CsvRow:
    """One row.

    Attributes
    ----------
    first_line, last_line : its lines in the file, from 1.
    values : empty if the row has a problem.
    problem : why it cannot be read; empty if it can.
    is_open : whether the problem is a quote that is not closed.
    """

    first_line: int
    last_line: int
    values: list[str]
    problem: str = ""
    is_open: bool = False

    @property
    def extent(self) -> str:
        """What a complaint adds about a row of several lines.

        >>> CsvRow(3, 1003, []).extent, CsvRow(3, 3, []).extent
        (' (lines 3 to 1003: a quote in line 3 may not be closed)', '')
        """
        if self.first_line >= self.last_line:
            return ""
        lines = f"lines {self.first_line} to {self.last_line}"
        return f" ({lines}: a quote in line {self.first_line} may not be closed)"


class CsvText:
    """A CSV text: a header, then rows. Iterate it once.

    Empty lines before the header are skipped, and so is the line `sep=;` by which Excel names the delimiter. Blanks
    around the names of columns do not belong to them.

    Attributes
    ----------
    names : of the columns; empty = the text is empty.
    text : the text of the last row, shortened.

    Parameters
    ----------
    lines : opened without translation of line ends.
    delimiter : between values; empty = the one of `DELIMITERS` that the header has most often outside quotes.
    """

    def __init__(self, lines: IO[str], delimiter: str = "") -> None:
        self._skipped, header = 0, lines.readline()
        while header and not header.strip():
            self._skipped, header = self._skipped + 1, lines.readline()
        excel = None if delimiter else _EXCEL_DELIMITER.fullmatch(header.rstrip("\r\n"))
        if excel is not None:
            delimiter, self._skipped, header = excel[1], self._skipped + 1, lines.readline()
        if not delimiter:
            delimiter = max(DELIMITERS, key=_QUOTED.sub("", header).count)
        self._read_lines: list[str] = []
        self._reader = csv.reader(self._recorded(chain([header], lines) if header else iter(())), delimiter=delimiter)
        self.names = [name.strip() for name in next(self._reader)]
        if self.names == [_END]:
            self.names = []

    def __iter__(self) -> Iterator[CsvRow]:
        """Yield the rows; lines without any value are none."""
        reader, skipped = self._reader, self._skipped
        while True:
            first = skipped + reader.line_num + 1
            self._read_lines.clear()
            try:
                values = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                last = skipped + reader.line_num
                row = CsvRow(first, last, [])
                problem = f"is no row of a CSV file ({error}){row.extent}"
                yield replace(row, problem=problem, is_open=bool(row.extent))
                continue
            last = skipped + reader.line_num
            if self._read_lines[-1] is not _END:
                if values:
                    yield CsvRow(first, last, values)
            elif len(self._read_lines) > 1:
                problem = f"has a quote that opens in line {first} and is never closed"
                yield CsvRow(first, last - 1, [], problem, is_open=True)

    @property
    def text(self) -> str:
        """The text of the row that was read last, shortened."""
        return "".join(line for line in self._read_lines if line is not _END)[:LONGEST_TEXT].rstrip("\r\n")

    def _recorded(self, lines: Iterator[str]) -> Iterator[str]:
        for line in chain(lines, [_END]):
            self._read_lines.append(line)
            yield line
