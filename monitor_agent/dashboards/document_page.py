"""The page of a document behind a firing: its fields with their meaning, and the same as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from monitor_agent.alerting.definitions import Alert
from monitor_agent.contracts.index_contract import IndexContract
from monitor_agent.dashboards import alert_words as words
from monitor_agent.dashboards.formats import NOTHING
from monitor_agent.errors import DataError
from monitor_agent.es.gateway import Gateway
from monitor_agent.pipeline import instants


class DocumentField(NamedTuple):
    """A field of a document: its name, its value in words, and what it means; `at` is the moment of a date."""

    name: str
    text: str
    meaning: str
    at: datetime | None = None


@dataclass(frozen=True)
class DocumentPage:
    """A stored document.

    Attributes
    ----------
    source : its content, without what is no text for people.
    """

    id: str
    contract: IndexContract
    source: Mapping[str, Any]

    @property
    def fields(self) -> list[DocumentField]:
        """The fields that have a value, in the order of the reference page; unknown ones last."""
        values = dict(_leaves(self.source, self.contract))
        order = [name for name in self.contract.fields if name in values]
        return [self._field(name, values[name]) for name in dict.fromkeys([*order, *values])]

    @property
    def missing(self) -> list[str]:
        """The fields that are null: not measured, or not known."""
        return [name for name, value in self.source.items() if value is None]

    @property
    def json(self) -> bytes:
        """The document as JSON."""
        document = {"_id": self.id, "_source": self.source}
        return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)

    def _field(self, name: str, value: Any) -> DocumentField:
        entry = self.contract.fields.get(name)
        meaning = entry.help if entry else ""
        if entry and entry.type == "date" and isinstance(value, str):
            return DocumentField(name, value, meaning, instants.parse(value))
        return DocumentField(name, _text(value, entry.unit if entry else ""), meaning)


def read_document(gateway: Gateway, alerts: Iterable[Alert], kind: str, identifier: str) -> DocumentPage:
    """Return the page of a document; only documents that alerts search have one.

    Parameters
    ----------
    kind : the name by which the indices of the document are read, such as `model-verdicts`.

    Raises
    ------
    DataError
        If there is no such document.
    """
    contracts = {contract.alias: contract for alert in alerts if (contract := words.contract_of(alert))}
    if kind not in contracts:
        raise DataError(f"documents of {kind[:80]} have no page", f"there are pages of {', '.join(contracts)}")
    contract = contracts[kind]
    blobs = [name for name, entry in contract.fields.items() if entry.type == "binary"]
    body = {"query": {"ids": {"values": [identifier]}}, "size": 1, "_source": {"excludes": blobs}}
    hits = gateway.search(contract.alias, body)["hits"]["hits"]
    if not hits:
        raise DataError(
            f"there is no document {identifier[:80]} in {kind}", "it may have been deleted by its retention"
        )
    return DocumentPage(identifier, contract, hits[0]["_source"])


def _leaves(source: Mapping[str, Any], contract: IndexContract, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the fields that have a value by their dotted names; an object that the contract knows is one value."""
    for name, value in source.items():
        full = f"{path}{name}"
        if isinstance(value, Mapping) and full not in contract.fields:
            yield from _leaves(value, contract, f"{full}.")
        elif value is not None and value != []:
            yield full, value


def _text(value: Any, unit: str) -> str:
    """Return a value for people.

    >>> _text(0.31, "share"), _text(20442.0, ""), _text(True, ""), _text(["a", "b"], ""), _text({"a": 1}, "")
    ('31 %', '20,442', 'true', 'a, b', '{"a":1}')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)) and value == int(value) and unit != words.SHARE:
        return f"{int(value):,}{f' {unit}' if unit else ''}"
    if isinstance(value, (int, float)):
        return words.number(float(value), unit)
    if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
        return ", ".join(value) or NOTHING
    return value if isinstance(value, str) else orjson.dumps(value).decode()
