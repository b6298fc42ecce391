"""The `elasticsearch` output: sends documents in bulk and retries until each is delivered or is a dead letter."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import structlog

from monitor_agent.logstash.bulk import (
    FILTER_PATH,
    BulkItem,
    DeliveryOutcome,
    ItemResult,
    action_line,
    body_of,
    item_results,
    json_line,
    outcome_of,
    portions,
    reason_of,
)
from monitor_agent.logstash.dead_letters import FOLDER_NAME, DeadLetterFiles, dead_letter
from monitor_agent.logstash.event_fields import payload
from monitor_agent.logstash.plugin import Event, PipelineContext, PluginConfig, PluginOption, PluginSpec, Stopping
from monitor_agent.logstash.sprintf import compile_template
from monitor_agent.logstash.transport import ElasticsearchAccess, Transport, UnreachableError

BULK_PATH = f"/_bulk?{FILTER_PATH}"
WARN_SECONDS = 10.0
"""Trouble that lasts is logged again after this time."""

_log = structlog.get_logger()


class ElasticsearchOutput:
    """Sends documents; a document that exists already (409) counts as delivered.

    Attributes
    ----------
    trouble : the reason why nothing can be delivered at the moment; "" if there is none.
    """

    concurrent = True

    def __init__(self, config: PluginConfig, context: PipelineContext) -> None:
        options = config.options
        self._action: str = options["action"]
        self._index = compile_template(options["index"], config.at)
        self._id = compile_template(options["document_id"], config.at) if options["document_id"] else None
        self._transport = Transport(_access(config, context))
        self._letters = DeadLetterFiles(Path(context.settings.data_dir) / FOLDER_NAME)
        self._stopping = context.stopping
        self._counters = config.counters
        self._first_wait: float = options["retry_initial_interval"]
        self._longest_wait: float = options["retry_max_interval"]
        self._lock = threading.Lock()
        self._warned = 0.0
        self.trouble = ""

    def open(self) -> None:
        """Make the folder of dead letters; Elasticsearch may start later than the pipeline."""
        self._letters.open()

    def send(self, events: Sequence[Event]) -> None:
        """Return when every event is in Elasticsearch or is a dead letter.

        Raises
        ------
        Stopping
            If the runner stops before that.
        """
        began = time.perf_counter()
        waiting = self._items(events)
        failures = 0
        while waiting:
            again = [item for portion in portions(waiting) for item in self._deliver(portion)]
            if again:
                failures = failures + 1 if len(again) >= len(waiting) else 0
                self._wait(failures)
            waiting = again
        with self._lock:
            self._counters.events_in += len(events)
            self._counters.events_out += len(events)
            self._counters.seconds += time.perf_counter() - began

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def _items(self, events: Sequence[Event]) -> list[BulkItem]:
        action, index_of, id_of = self._action, self._index, self._id
        items: list[BulkItem] = []
        for event in events:
            index = index_of(event)
            identifier = id_of(event) if id_of is not None else None
            line = action_line(action, index, identifier)
            items.append(BulkItem(index, identifier or "", line, json_line(payload(event)), event))
        return items

    def _deliver(self, portion: list[BulkItem]) -> list[BulkItem]:
        """Send one request; return the items to be sent again."""
        try:
            answer = self._transport.request("POST", BULK_PATH, body_of(portion), "application/x-ndjson")
        except UnreachableError as error:
            self._warn("elasticsearch cannot be reached; trying again", str(error))
            return portion
        if answer.status == 200:
            results = item_results(answer.body, len(portion))
            if results is not None:
                return self._apply_results(portion, results)
            self._warn("elasticsearch gave an answer that cannot be read; trying again", repr(answer.body[:200]))
            return portion
        reason = _reason(answer.body)
        if answer.status in (400, 413):
            return self._divide(portion, ItemResult(DeliveryOutcome.REFUSED, answer.status, reason))
        self._warn(_ADVICE.get(outcome_of(answer.status), _TRY_AGAIN), f"status {answer.status}: {reason}")
        return portion

    def _divide(self, portion: list[BulkItem], result: ItemResult) -> list[BulkItem]:
        """Send a refused request again in halves, until the document that caused the refusal is alone."""
        if len(portion) == 1:
            return self._apply_results(portion, [result])
        middle = len(portion) // 2
        return self._deliver(portion[:middle]) + self._deliver(portion[middle:])

    def _apply_results(self, portion: list[BulkItem], results: list[ItemResult]) -> list[BulkItem]:
        """Make dead letters of the refused items; return the items to be sent again."""
        again: list[BulkItem] = []
        refused: list[tuple[BulkItem, ItemResult]] = []
        present = 0
        worst: ItemResult | None = None
        for item, result in zip(portion, results, strict=True):
            if result.outcome is DeliveryOutcome.DELIVERED:
                present += result.status == 409
            elif result.outcome is DeliveryOutcome.REFUSED:
                refused.append((item, result))
            else:
                again.append(item)
                worst = worst or result
        self._count("present already", present)
        if worst is None:
            self._recovered()
        else:
            self._warn(_ADVICE.get(worst.outcome, _TRY_AGAIN), f"status {worst.status}: {worst.reason}")
        return again + self._make_dead_letters(refused)

    def _make_dead_letters(self, refused: list[tuple[BulkItem, ItemResult]]) -> list[BulkItem]:
        """Store refused documents on disk, then index them as dead letters; return the items to be sent again."""
        letters = [dead_letter(item.event, item, result) for item, result in refused if item.event is not None]
        if len(letters) < len(refused):
            reason = next(result.reason for item, result in refused if item.event is None)
            _log.error("a dead letter cannot be indexed; it stays in the data folder", reason=reason)
        if not letters:
            return []
        self._letters.store(letters)
        self._count("dead letters", len(letters))
        _log.warning(
            "documents were refused; they are dead letters now", count=len(letters), reason=refused[0][1].reason
        )
        return self._deliver([letter.item() for letter in letters])

    def _wait(self, failures: int) -> None:
        """Wait before the next attempt: longer after each failure, and for a random time, so that workers differ."""
        self._count("retries", 1)
        longest = min(self._longest_wait, self._first_wait * 2 ** min(max(failures - 1, 0), 20))
        if self._stopping.wait(longest * random.uniform(0.5, 1.0)):
            raise Stopping

    def _count(self, name: str, number: int) -> None:
        if number:
            with self._lock:
                self._counters.failures[name] = self._counters.failures.get(name, 0) + number

    def _warn(self, message: str, reason: str) -> None:
        with self._lock:
            now = time.monotonic()
            due = not self.trouble or now - self._warned > WARN_SECONDS
            self.trouble = f"{message} ({reason})"
            if due:
                self._warned = now
        if due:
            _log.warning(message, reason=reason)

    def _recovered(self) -> None:
        if self.trouble:
            self.trouble = ""
            _log.info("elasticsearch takes documents again")


_TRY_AGAIN = "elasticsearch takes no documents now; trying again"
_ADVICE = {
    DeliveryOutcome.FORBIDDEN: "elasticsearch does not let the pipeline write; check PIPELINE_USERNAME and"
    " PIPELINE_PASSWORD and the rights of that user; trying again",
    DeliveryOutcome.REFUSED: "this is no bulk interface; check ELASTICSEARCH_URL; trying again",
}


def _reason(body: bytes) -> str:
    """Return the reason in the body of a failed request."""
    try:
        return reason_of(orjson.loads(body)["error"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return body[:200].decode("utf-8", "replace").strip()


def _access(config: PluginConfig, context: PipelineContext) -> ElasticsearchAccess:
    options = config.options
    authorities = options["ssl_certificate_authorities"] or [context.ca_certs]
    hosts = [host for text in options["hosts"] for host in re.split(r"[,\s]+", text) if host]
    if not hosts:
        raise config.at.error("'hosts' names no address", 'write hosts => ["http://127.0.0.1:9200"]')
    return ElasticsearchAccess(
        hosts=hosts,
        user=options["user"] or "",
        password=options["password"] or "",
        api_key=options["api_key"] or context.settings.api_key,
        ca_certs=authorities[0],
        verify=options["ssl_verification_mode"] == "full",
        timeout_seconds=options["timeout"],
        compression=options["compression_level"],
    )


def _fixed(name: str) -> PluginOption:
    """Return an option that must be false: the product has its own templates, and one index for each day."""
    return PluginOption(name, choices=("false",), default="false")


def _options() -> tuple[PluginOption, ...]:
    defaults: dict[str, Any] = {
        "timeout": 60,
        "retry_initial_interval": 2,
        "retry_max_interval": 64,
        "compression_level": 1,
    }
    return (
        PluginOption("hosts", "array", default=["http://127.0.0.1:9200"]),
        PluginOption("index", required=True),
        PluginOption("document_id"),
        PluginOption("action", choices=("create", "index"), default="index"),
        PluginOption("user"),
        PluginOption("password", "password"),
        PluginOption("api_key", "password"),
        PluginOption("ssl_certificate_authorities", "array", default=[]),
        PluginOption("ssl_verification_mode", choices=("full", "none"), default="full"),
        *(PluginOption(name, "number", default=default) for name, default in defaults.items()),
        *map(_fixed, ("manage_template", "ilm_enabled", "data_stream")),
    )


SPEC = PluginSpec("output", "elasticsearch", _options(), ElasticsearchOutput)
