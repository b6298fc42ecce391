"""One PDF document of the pages that the chart library writes as PDF documents of one page (pure).

`vl_convert` writes the plain form of ISO 32000-1: a cross-reference table, no object streams, dictionaries in clear
text. So the objects of each page only need new numbers, and one page tree above them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from monitor_agent.errors import DataError

_ENTRY = re.compile(rb"(\d{10}) \d{5} ([nf])")
_NUMBER = re.compile(rb"\s*(\d+) 0 obj\s*")
_REFERENCE = re.compile(rb"\b(\d+) 0 R\b")
_ABOVE = re.compile(rb"<<\s*/(Type /Catalog|Type /Pages|Producer)\b")
"""What stands above the page: the joined document has its own."""
_LEAF = re.compile(rb"<<\s*/Type /Page\b")
_STREAM = b"stream\n"

CATALOG, TREE, INFORMATION, FIRST_FREE = 1, 2, 3, 4


def joined(pages: Sequence[bytes], title: str, now: datetime) -> bytes:
    """Return one document.

    Parameters
    ----------
    pages : documents of one page each, as `vl_convert.svg_to_pdf` returns them.
    now : the time of its making, in UTC.

    Raises
    ------
    DataError
        If a page is not written in the plain form.
    """
    objects: dict[int, bytes] = {}
    leaves = []
    for page in pages:
        first = max(objects, default=FIRST_FREE - 1) + 1
        leaf, numbered = _renumbered(page, first)
        leaves.append(leaf)
        objects |= numbered
    kids = b" ".join(b"%d 0 R" % leaf for leaf in leaves)
    objects[CATALOG] = (
        b"<< /Type /Catalog /Pages %d 0 R /Lang (en) /ViewerPreferences << /DisplayDocTitle true >> >>" % (TREE)
    )
    objects[TREE] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(leaves), kids)
    date = f"D:{now:%Y%m%d%H%M%S}Z".encode()
    name = b"FEFF" + title.encode("utf-16-be", "replace").hex().upper().encode()
    objects[INFORMATION] = b"<< /Title <%s> /Producer (model-monitor) /CreationDate (%s) >>" % (name, date)
    return _document(objects)


def _renumbered(page: bytes, first: int) -> tuple[int, dict[int, bytes]]:
    """Return the number of a document's page, and its objects under new numbers from `first` on."""
    contents = {number: content for number, content in _objects(page) if not _ABOVE.match(content)}
    numbers = {old: first + place for place, old in enumerate(sorted(contents))}
    leaf, objects = 0, {}

    def renamed(match: re.Match[bytes]) -> bytes:
        return b"%d 0 R" % numbers.get(int(match[1]), TREE)

    for old, content in contents.items():
        dictionary, stream, rest = content.partition(_STREAM)
        if _LEAF.match(dictionary):
            leaf = numbers[old]
        objects[numbers[old]] = _REFERENCE.sub(renamed, dictionary) + stream + rest
    if not leaf:
        raise DataError("the chart library wrote a PDF document of an unknown form", "write the report as .html")
    return leaf, objects


def _objects(document: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the number and the content of each object, by the document's cross-reference table."""
    table = document.rfind(b"xref\n", 0, document.rfind(b"startxref"))
    offsets = sorted(int(offset) for offset, kind in _ENTRY.findall(document[max(table, 0) :]) if kind == b"n")
    for start, end in zip(offsets, [*offsets[1:], table], strict=False):
        match = _NUMBER.match(document, start)
        if match:
            yield int(match[1]), document[match.end() : document.rindex(b"endobj", start, end)]


def _document(objects: dict[int, bytes]) -> bytes:
    chunks, offsets, size = [b"%PDF-1.7\n%\x80\x80\x80\x80\n"], {}, 0
    size = len(chunks[0])
    for number, content in sorted(objects.items()):
        offsets[number] = size
        chunks.append(b"%d 0 obj\n%s\nendobj\n" % (number, content.strip(b"\r\n")))
        size += len(chunks[-1])
    count = max(objects) + 1
    entries = [
        b"%010d 00000 n\r\n" % offsets[number] if number in offsets else b"0000000000 65535 f\r\n"
        for number in range(count)
    ]
    end = b"trailer\n<< /Size %d /Root %d 0 R /Info %d 0 R >>\nstartxref\n%d\n%%%%EOF\n"
    return b"".join([*chunks, b"xref\n0 %d\n" % count, *entries, end % (count, CATALOG, INFORMATION, size)])
