"""The `elasticsearch` output: sends documents in bulk and retries until each is delivered or is a dead letter."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from monitor_agent.logstash.delivery.bulk import BulkItem, action_line, json_line, origin_of
from monitor_agent.logstash.delivery.delivery import Delivery, DeliveryObserver
from monitor_agent.logstash.delivery.letter_files import FOLDER_NAME, DeadLetterFiles
from monitor_agent.logstash.delivery.parked_documents import FOLDER_NAME as PARKED_FOLDER
from monitor_agent.logstash.delivery.parked_documents import ParkedCount, ParkedDocuments
from monitor_agent.logstash.delivery.parking import Parking
from monitor_agent.logstash.delivery.transport import ElasticsearchAccess, Transport
from monitor_agent.logstash.delivery.troubles import Troubles
from monitor_agent.logstash.events.event_fields import payload
from monitor_agent.logstash.language.sprintf import compile_template
from monitor_agent.logstash.plugin import Event, PipelineContext, PluginConfig, PluginOption, PluginSpec, Stopping

LOOK_SECONDS = 3.0
"""The longest wait before the next attempt at an index that takes nothing, or has no template."""


class ElasticsearchOutput:
    """Sends documents; a document that exists already (409) counts as delivered.

    Attributes
    ----------
    parked_folder : the documents that wait until their index takes documents again.
    """

    concurrent = True

    def __init__(self, config: PluginConfig, context: PipelineContext) -> None:
        options = config.options
        self._action: str = options["action"]
        self._index = compile_template(options["index"], config.at)
        self._id = compile_template(options["document_id"], config.at) if options["document_id"] else None
        data_dir, park_after = Path(context.settings.data_dir), context.settings.park_after.total_seconds()
        self._transport = Transport(_access(config, context))
        self._letters = DeadLetterFiles(data_dir / FOLDER_NAME)
        self._troubles = Troubles()
        self._delivery = Delivery(self._transport, self._letters, self._troubles, self._count)
        self.parked_folder = data_dir / PARKED_FOLDER / quote(config.id, safe="")
        parked = ParkedDocuments(self.parked_folder, context.settings.parked_max)
        self._parking = Parking(parked, self._delivery, self._troubles, context.stopping, park_after)
        self._stopping = context.stopping
        self._counters = config.counters
        self._first_wait: float = options["retry_initial_interval"]
        self._longest_wait: float = options["retry_max_interval"]
        self._lock = threading.Lock()

    @property
    def trouble(self) -> str:
        """Return the reasons why documents cannot be delivered at the moment; "" if there is none."""
        return self._troubles.text()

    @property
    def names_ids(self) -> bool:
        """Return whether documents get ids of their events; else Elasticsearch makes them."""
        return self._id is not None

    def observe(self, observer: DeliveryObserver) -> None:
        """Let somebody know what becomes of the documents; call this before the first of them is sent."""
        self._delivery.observer = observer

    def open(self) -> None:
        """Make the folder of dead letters; Elasticsearch may start later than the pipeline."""
        self._letters.open()
        self._parking.open()

    def prepare(self, events: Sequence[Event]) -> list[BulkItem]:
        """Return the documents of events, as a bulk request has them."""
        action, index_of, id_of = self._action, self._index, self._id
        items: list[BulkItem] = []
        for event in events:
            index = index_of(event)
            identifier = id_of(event) if id_of is not None else None
            line = action_line(action, index, identifier)
            items.append(BulkItem(index, identifier or "", line, json_line(payload(event)), origin_of(event)))
        return items

    def send(self, prepared: Sequence[BulkItem]) -> None:
        """Return when every document is in Elasticsearch or is a dead letter.

        Raises
        ------
        Stopping
            If the runner stops before that.
        """
        began = time.perf_counter()
        waiting = self._parking.put_with_others(list(prepared))
        failures = 0
        while waiting:
            again = self._parking.put_after_waiting(self._delivery.deliver(waiting))
            if again:
                failures = failures + 1 if len(again) >= len(waiting) else 0
                self._wait(failures)
                again = self._parking.put_with_others(again)
            waiting = again
        with self._lock:
            self._counters.count(len(prepared))
            self._counters.seconds += time.perf_counter() - began

    def close(self) -> None:
        """End the delivery of parked documents, and close the connections."""
        self._parking.close()
        self._transport.close()

    def parked(self) -> list[ParkedCount]:
        """Return the number of documents that wait on disk, by index and reason."""
        return self._parking.counts()

    def _wait(self, failures: int) -> None:
        """Wait before the next attempt: longer after each failure, and for a random time, so that workers differ."""
        self._count("retries", 1)
        longest = min(self._longest_wait, self._first_wait * 2 ** min(max(failures - 1, 0), 20))
        if self._troubles.of_indices():
            longest = min(longest, max(self._first_wait, min(self._parking.after, LOOK_SECONDS)))
        if self._stopping.wait(longest * random.uniform(0.5, 1.0)):
            raise Stopping

    def _count(self, name: str, number: int) -> None:
        if number:
            with self._lock:
                self._counters.failures[name] = self._counters.failures.get(name, 0) + number


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
