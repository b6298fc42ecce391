"""Gives an index that is in the way the right mapping, alias and name: its documents are copied, then it is replaced.

The steps, each of which can be seen in the cluster, so that a second run completes a first one that was killed:

1. The index gets a write block: writers wait. Its copy is created with the right mapping.
2. All documents go into the copy, with their ids and versions; a document that the copy has already stays as it is.
   Then the numbers are compared.
3. The copy gets a write block, the index is deleted, and the copy is cloned under the name of the index. If a writer
   was faster and has created the index again, its documents go into the copy too, and this step is done again.
4. The copy is deleted.

An index that has the name of an alias is not cloned: its documents go from the copy into the indices of their days.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from itertools import islice
from typing import Any

import orjson

from monitor_agent.contracts.catalogue import CONTRACTS
from monitor_agent.contracts.deadletter import DEADLETTERS
from monitor_agent.contracts.feedback import FEEDBACK
from monitor_agent.contracts.index_contract import IndexContract
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.contracts.request_error import ERRORS
from monitor_agent.errors import DataError, ElasticsearchError
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.index_admin import IndexAdmin
from monitor_agent.es.obstacles import IndexState, conflicts, copy_name, name_of_original, read_states
from monitor_agent.es.operations import Operation
from monitor_agent.pipeline import instants
from monitor_agent.vocabulary.counted_nouns import counted

REFUSED = "refused"
REPLACEMENTS = 20
"""How often a writer may be faster than the clone."""
PROGRESS_DOCUMENTS = 100_000
EXAMPLES = 3
_EVENTS = tuple(contract.name for contract in (PREDICTIONS, FEEDBACK, ERRORS))
"""Their documents come from lines, so that a dead letter can be sent again."""

Hit = dict[str, Any]


def repair_order(states: Iterable[IndexState]) -> list[IndexState]:
    """Return one state for each index to repair, the dead letters first: other repairs write some.

    Parameters
    ----------
    states : indices that are in the way, among them the copies of unfinished repairs.
    """
    by_name: dict[str, IndexState] = {}
    for state in sorted(states, key=lambda state: state.is_copy):
        name = name_of_original(state.contract, state.name) if state.is_copy else state.name
        by_name.setdefault(name, state)
    order = {contract.name: number for number, contract in enumerate((DEADLETTERS, *CONTRACTS))}
    return sorted(by_name.values(), key=lambda state: (order[state.contract.name], state.name))


class Repair:
    """The repair of one index.

    Parameters
    ----------
    state : the index, or the copy of its unfinished repair.
    page : number of documents in one search.
    report : called with each line about the progress.
    install : installs the index templates: Elasticsearch refuses a template while an index has the name of its alias.
    """

    def __init__(
        self,
        gateway: Gateway,
        state: IndexState,
        page: int,
        report: Callable[[str], None],
        install: Callable[[], object],
    ) -> None:
        self._gateway = gateway
        self._admin = IndexAdmin(gateway)
        self._contract = state.contract
        self._name = name_of_original(state.contract, state.name) if state.is_copy else state.name
        self._alias_of = state.alias_of
        self._copy = copy_name(state.contract, self._name)
        self._page = page
        self._report = report
        self._install = install
        self._token = ""
        self._disposable = False
        self._owner = secrets.token_hex(8)
        self._copied = 0
        self._letters = 0

    @property
    def name(self) -> str:
        """The name of the index."""
        return self._name

    def plan(self) -> str:
        """Return what `run` would do, as one line."""
        count = self._admin.count(self._name) if self._admin.exists(self._name) else self._admin.count(self._copy)
        if self._by_day:
            return f"{self._name}: would move {counted(count, 'document')} into the indices of their days"
        return f"{self._name}: would copy {counted(count, 'document')} into an index with the right mapping"

    def run(self) -> None:
        """Repair the index; if an earlier run was interrupted, complete its work.

        Raises
        ------
        DataError
            If documents do not fit the right mapping and cannot become dead letters; the index stays as it is.
        ElasticsearchError
            If Elasticsearch refuses a request, or another process repairs the same index.
        """
        if self._opened():
            return
        self._take_copy()
        if self._by_day:
            self._move_by_day()
        else:
            self._replace()
        self._admin.delete(self._copy)
        if not self._by_day:
            self._admin.put_mapping(self._name, {"_meta": {}})
        letters = f", {self._letters:,} became dead letters" if self._letters else ""
        self._report(f"{self._name}: repaired, {counted(self._copied, 'document')}{letters}")

    @property
    def _by_day(self) -> bool:
        return bool(self._contract.suffix) and self._name == self._contract.alias

    def _opened(self) -> bool:
        """Open the index if it is closed; return whether nothing else is wrong with it."""
        if not self._admin.is_closed(self._name):
            return False
        self._admin.open(self._name)
        self._report(f"{self._name}: opened")
        states = [state for state in read_states(self._gateway) if state.name == self._name]
        return not self._by_day and not any(conflicts(state.mapping, state.contract) for state in states)

    def _take_copy(self) -> None:
        """Create the copy, or take over that of an interrupted run."""
        self._disposable = not self._admin.exists(self._copy)
        if self._disposable:
            template = self._contract.template()["template"]
            self._admin.create(self._copy, template["settings"], template["mappings"])
        self._token = self._admin.marks(self._copy).get("copy") or secrets.token_hex(8)
        marks = {"copy": self._token, "owner": self._owner}
        self._admin.put_mapping(self._copy, {**self._contract.mapping(), "_meta": marks})

    def _replace(self) -> None:
        """Fill the copy and put it under the name of the index.

        Raises
        ------
        ElasticsearchError
            If writers create the index again and again.
        """
        for _ in range(REPLACEMENTS):
            if self._admin.exists(self._name):
                if self._admin.marks(self._name).get("copy") == self._token:
                    break  # an earlier run has cloned the copy already
                self._fill()
                self._remove_original()
            else:
                self._copied = self._copied or self._admin.count(self._copy)
            self._admin.block_writes(self._copy)
            settings = self._admin.template_settings(self._contract)
            aliases = [self._contract.alias] if self._contract.suffix else []
            if self._admin.clone(self._copy, self._name, settings, aliases):
                break
        else:
            raise ElasticsearchError(
                f"{self._name}: writers created it again {REPLACEMENTS} times", "stop the writers and run this again"
            )
        self._admin.unblock_writes(self._name)
        expected, present = self._admin.count(self._copy), self._admin.count(self._name)
        if present < expected:
            raise ElasticsearchError(
                f"{self._name} has {present:,} of {expected:,} documents",
                f"run this again: {self._copy} has all of them",
            )

    def _fill(self) -> None:
        """Copy all documents of the index; if that fails, writers may go on.

        Raises
        ------
        DataError
            If documents do not fit and cannot become dead letters.
        """
        source = self._admin.uuid(self._name)
        self._admin.unblock_writes(self._copy)
        self._admin.block_writes(self._name)
        try:
            self._copy_documents()
            if self._admin.marks(self._copy).get("owner") != self._owner or self._admin.uuid(self._name) != source:
                raise ElasticsearchError(f"another process repairs {self._name}", "let it finish")
        except BaseException as error:
            self._admin.unblock_writes(self._name)
            if self._disposable and isinstance(error, DataError):
                self._admin.delete(self._copy)
            raise

    def _copy_documents(self) -> None:
        self._admin.refresh(self._name)
        expected, scanned, letters, before = self._admin.count(self._name), 0, 0, self._admin.count(self._copy)
        for hits in self._pages(self._name):
            refused = self._write([_copy_of(hit, self._copy) for hit in hits])
            self._store_letters(refused)
            letters += len(refused)
            if scanned // PROGRESS_DOCUMENTS < (scanned + len(hits)) // PROGRESS_DOCUMENTS:
                self._report(f"{self._name}: {scanned + len(hits):,} of {expected:,} documents")
            scanned += len(hits)
        self._admin.refresh(self._copy)
        present = self._admin.count(self._copy)
        if scanned != expected or present < max(before, expected - letters):
            raise ElasticsearchError(
                f"{self._name}: only {present:,} of {expected - letters:,} documents were copied",
                "nothing is lost: run this again",
            )
        self._copied, self._letters = present, self._letters + letters

    def _write(self, operations: list[Operation]) -> list[tuple[Operation, str]]:
        """Write documents and return those that the mapping refuses, with the reason."""
        refused: list[tuple[Operation, str]] = []
        self._gateway.bulk(operations, lambda operation, reason: refused.append((operation, reason)))
        return refused

    def _remove_original(self) -> None:
        self._disposable = False
        if self._alias_of:
            self._admin.unblock_writes(self._name)
            self._admin.delete_alias(self._alias_of, self._name)
        else:
            self._admin.delete(self._name)

    def _move_by_day(self) -> None:
        """Fill the copy, free the name, and move the documents from the copy into the indices of their days."""
        if self._admin.exists(self._name):
            self._fill()
            self._remove_original()
        self._install()
        moved = 0
        for hits in self._pages(self._copy):
            days = [_day(hit, self._contract) for hit in hits]
            dated = zip(hits, days, strict=True)
            operations = [_copy_of(hit, self._contract.index_for(day)) for hit, day in dated if day is not None]
            undated = [hit for hit, day in zip(hits, days, strict=True) if day is None]
            self._store_letters([(_copy_of(hit, self._copy), "it has no date") for hit in undated])
            self._letters += len(undated)
            self._gateway.bulk(operations)
            moved += len(operations)
        self._copied = moved

    def _pages(self, index: str) -> Iterator[list[Hit]]:
        self._admin.refresh(index)
        hits = self._gateway.scan(index, {"query": {"match_all": {}}, "version": True}, self._page)
        while page := list(islice(hits, self._page)):
            if any("_source" not in hit for hit in page):
                raise DataError(
                    f"{index} does not store its documents (_source is off)", "delete it, or rename it by a clone"
                )
            yield page

    def _store_letters(self, refused: list[tuple[Operation, str]]) -> None:
        """Write a dead letter for each document that the right mapping refuses.

        Raises
        ------
        DataError
            If the documents are no events.
        """
        if not refused:
            return
        if self._contract.name not in _EVENTS:
            examples = "; ".join(f"{operation.id}: {reason}" for operation, reason in refused[:EXAMPLES])
            raise DataError(
                f"{self._name}: documents do not fit the right mapping, such as {examples[:600]}",
                "correct or delete these documents, and run this again",
            )
        now = datetime.now(timezone.utc)
        self._gateway.bulk(_dead_letter(self._name, operation, reason, now) for operation, reason in refused)


def _copy_of(hit: Hit, index: str) -> Operation:
    """Return the operation that writes a document with its version: the newer of two documents of one id stays."""
    options = {"version": hit["_version"], "version_type": "external"}
    if "_routing" in hit:
        options["routing"] = hit["_routing"]
    return Operation("index", index, hit["_id"], hit["_source"], options)


def _day(hit: Hit, contract: IndexContract) -> datetime | None:
    """Return the date that decides which index a document belongs to; None if it has none."""
    source = hit["_source"]
    values = [source.get("@timestamp")]
    if contract.name == FEEDBACK.name and isinstance(source.get("prediction"), dict):
        values.insert(0, source["prediction"].get("timestamp"))
    for value in values:
        try:
            return instants.parse(value)
        except (TypeError, ValueError, AttributeError, OverflowError):
            continue
    return None


def _dead_letter(name: str, operation: Operation, reason: str, now: datetime) -> Operation:
    source = dict(operation.body or {})
    event = source.get("event")
    fields = event if isinstance(event, dict) else {}
    moment = instants.text(now)
    document = {
        "@timestamp": moment,
        "event": {
            "ingested": moment,
            **{key: fields[key] for key in ("dataset", "id") if isinstance(fields.get(key), str)},
        },
        "error": {"type": REFUSED, "message": f"{name}: {reason}"},
        "http": {"response": {"status_code": 400}},
        "message": orjson.dumps(source).decode(),
    }
    identifier = hashlib.sha256(f"{name}\n{operation.id}".encode(errors="surrogatepass")).hexdigest()
    return Operation("create", DEADLETTERS.index_for(now), identifier, document)
