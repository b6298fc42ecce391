"""Requests to Elasticsearch that return a complete response or raise: incomplete ones are repeated, never used."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from typing import Any, TypeVar

import structlog
from elastic_transport import ConnectionError as NoConnection
from elastic_transport import ConnectionTimeout, SerializationError, TransportError
from elasticsearch import ApiError, Elasticsearch

from monitor_agent.errors import ElasticsearchError, StoppedError, UnsupportedServerError
from monitor_agent.es.operations import (
    PREFERENCE,
    Body,
    BulkRequest,
    NumberedOperation,
    Operation,
    bulk_requests,
    search_lines,
)
from monitor_agent.es.responses import (
    FOREIGN,
    MALFORMED,
    UNAUTHORIZED,
    IncompleteResponseError,
    cause,
    complete_response,
    existing_documents,
    reason_of,
    refusal,
    refused_request,
    remedy_of,
    unreadable_reason,
)
from monitor_agent.es.retry import NO_ANSWER, Backoff, ResponseAction, response_action
from monitor_agent.http_client.address import HttpAddress
from monitor_agent.http_client.failures import (
    CHECK_ELASTICSEARCH,
    CHECK_PROXY,
    ELASTICSEARCH,
    AddressSettings,
    NoAnswer,
    failure_of,
)
from monitor_agent.http_client.products import wrong_elasticsearch

S = TypeVar("S")
T = TypeVar("T")

MGET_ITEMS = 1000
"""Documents of one multi-get request at most."""
AT_ONCE = 2
"""Number of requests of one call that run together: Elasticsearch works on each with one thread per shard."""
KEEP_ALIVE = "2m"
_BULK_RESULTS = "items.*.status,items.*.error"


class Gateway:
    """One Elasticsearch.

    Attributes
    ----------
    requests, failures : number of requests sent, repeated ones included; number of those without a good response.
    trouble : what went wrong last; empty since the last good response.

    Parameters
    ----------
    stopping : called before each request; if it returns True, StoppedError is raised and nothing is sent.
    names : the settings of the connection, for messages.
    check_version : whether the first request asks which product and version answers; an old one is an error.
    """

    def __init__(
        self,
        client: Elasticsearch,
        backoff: Backoff | None = None,
        sleep: Callable[[float], object] = time.sleep,
        stopping: Callable[[], bool] = lambda: False,
        names: AddressSettings = ELASTICSEARCH,
        *,
        check_version: bool = False,
    ) -> None:
        self._client = client
        self._version_is_unknown = check_version
        self._names = names
        self._backoff = backoff or Backoff()
        self._sleep = sleep
        self._stopping = stopping
        self._log = structlog.get_logger()
        self._lock = threading.Lock()
        self.requests = 0
        self.failures = 0
        self.trouble = ""

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def call(self, purpose: str, request: Callable[[Elasticsearch], T]) -> T:
        """Return the response to a request.

        Parameters
        ----------
        purpose : what the request is for; error messages begin with it.
        request : sends the request and reads the response; it may raise `IncompleteResponseError`.

        Raises
        ------
        ElasticsearchError
            If the request is refused, or has failed as often as the backoff allows.
        StoppedError
            If the agent is stopping.
        """
        failures = 0
        while True:
            if self._stopping():
                raise StoppedError(f"the agent stopped before this request: {purpose}")
            with self._lock:
                self.requests += 1
            hint = ""
            try:
                response = self._sent(request)
            except IncompleteResponseError as error:
                reason, status = str(error), NO_ANSWER
            except ApiError as error:
                status, reason = error.meta.status, reason_of(error)
                if response_action(status) is not ResponseAction.RETRY:
                    raise refused_request(purpose, error) from error
            except (NoConnection, ConnectionTimeout) as error:
                failure = failure_of(error, self._names)
                reason, status, hint = failure.reason, NO_ANSWER, failure.hint
                is_last = isinstance(error, ConnectionTimeout) and not self._backoff.after_timeout
                if failure.permanent or is_last:
                    raise ElasticsearchError(f"{purpose}: {reason}", hint) from error
            except KeyError as error:  # JSON of another shape, from a proxy or another product
                raise ElasticsearchError(f"{purpose}: {FOREIGN}: it lacks {error}", CHECK_PROXY) from error
            except SerializationError as error:
                # A response that cannot be read, such as one that was cut off, counts as none.
                reason, status = unreadable_reason(error), NO_ANSWER
                hint = CHECK_PROXY if FOREIGN in reason else ""
            except TransportError as error:
                raise ElasticsearchError(f"{purpose}: {error}", "check ELASTICSEARCH_URL") from error
            else:
                self.trouble = ""
                return response
            failures += 1
            self._pause(purpose, status, NoAnswer(reason, hint), failures)

    def _sent(self, request: Callable[[Elasticsearch], T]) -> T:
        if self._version_is_unknown:
            self._check_version()
        return request(self._client)

    def _check_version(self) -> None:
        """Ask once which product answers; a server that does not say it is not refused.

        Raises
        ------
        UnsupportedServerError
            If it is another product or an old version.
        """
        try:
            # "Accept: application/json" would become a type that versions before 8 refuse.
            response = self._client.perform_request("GET", "/", headers={"accept": "*/*"})
            meta, document = response.meta, response.body
        except ApiError as error:  # also an answer of 200 without the header of the product
            meta, document = error.meta, error.body
            if response_action(meta.status) is ResponseAction.RETRY:
                raise
        node = meta.node
        reason, remedy = wrong_elasticsearch(document, HttpAddress(node.scheme, node.host, node.port).url)
        if reason:
            raise UnsupportedServerError(reason, remedy)
        self._version_is_unknown = meta.status == UNAUTHORIZED

    def _pause(self, purpose: str, status: int, failure: NoAnswer, failures: int) -> None:
        """Wait before the request is repeated.

        Raises
        ------
        ElasticsearchError
            If the request was repeated often enough.
        """
        reason = failure.reason
        with self._lock:
            self.trouble = f"{purpose}: {reason}"
            self.failures += 1
        wait = self._backoff.wait(failures, random.random())
        if wait is None:
            raise ElasticsearchError(
                f"{purpose}: {reason[:300]}" + (f" (status {status})" if status else ""),
                remedy_of(reason) or failure.hint or CHECK_ELASTICSEARCH,
            )
        self._log.warning("elasticsearch is in trouble, trying again", request=purpose, reason=reason[:300], wait=wait)
        self._sleep(wait)

    def search(self, index: str, body: Body) -> dict[str, Any]:
        """Return the response to one search over the indices that exist."""
        return self.msearch([(index, body)])[0]

    def msearch(self, searches: Sequence[tuple[str, Body]], *, tolerate: str = "") -> list[dict[str, Any]]:
        """Return the responses to searches over the indices that exist, in order.

        Parameters
        ----------
        searches : (index names or patterns, body).
        tolerate : an error type that is returned as `{"error": ...}` instead of raised.
        """
        lines = search_lines(searches, allow_partial=False)

        def send(client: Elasticsearch) -> list[dict[str, Any]]:
            responses = client.msearch(searches=lines).body["responses"]
            return [complete_response(response, tolerate) for response in responses]

        return self.call("search", send)

    def scan(self, index: str, body: Body, page: int) -> Iterator[dict[str, Any]]:
        """Yield all hits of a search: by one request if one page holds them, else by pages of one point in time."""
        first = self.search(index, {**body, "size": page})
        hits = first["hits"]["hits"]
        if len(hits) < page:
            yield from hits
            return
        pit = self.call(
            "open a point in time",
            lambda client: client.open_point_in_time(
                index=index, keep_alive=KEEP_ALIVE, preference=PREFERENCE, ignore_unavailable=True
            ).body["id"],
        )
        try:
            yield from self._pages(pit, body, page)
        finally:
            # It may be closed already, such as by a first request whose response was lost.
            self.call(
                "close a point in time",
                lambda client: client.options(ignore_status=404).close_point_in_time(id=pit).body,
            )

    def _pages(self, pit: str, body: Body, page: int) -> Iterator[dict[str, Any]]:
        after: list[Any] | None = None
        while True:
            search = {**body, "size": page, "pit": {"id": pit, "keep_alive": KEEP_ALIVE}, "sort": ["_shard_doc"]}
            search["track_total_hits"] = False
            if after is not None:
                search["search_after"] = after
            response = self.call(
                "search",
                lambda client, search=search: complete_response(  # type: ignore[misc]
                    client.search(**_arguments(search)).body
                ),
            )
            hits = response["hits"]["hits"]
            yield from hits
            if len(hits) < page:
                return
            after = hits[-1]["sort"]

    def mget(self, ids: Sequence[tuple[str, str]], fields: Sequence[str] = ()) -> list[dict[str, Any]]:
        """Return the documents that exist, newest version, even if searches do not return that version yet.

        Many documents take several requests, two of them at once. The documents are in the order of their ids.

        Parameters
        ----------
        ids : (index, id).
        fields : fields of the documents; empty = all fields.
        """
        batches = (ids[start : start + MGET_ITEMS] for start in range(0, len(ids), MGET_ITEMS))
        responses = _at_once(lambda batch: self._mget_once(batch, fields), batches)
        return [doc for docs in responses for doc in docs]

    def _mget_once(self, ids: Sequence[tuple[str, str]], fields: Sequence[str]) -> list[dict[str, Any]]:
        docs = [{"_index": index, "_id": identifier} for index, identifier in ids]
        return self.call(
            "get documents",
            lambda client: existing_documents(
                client.mget(docs=docs, source_includes=list(fields) or None).body["docs"]
            ),
        )

    def bulk(
        self, operations: Iterable[Operation], malformed: Callable[[Operation, str], None] | None = None
    ) -> list[ResponseAction]:
        """Return the result of each operation: done, conflict, missing or refused.

        Many operations take several requests, two of them at once; requests are built while earlier ones run. If a
        write must follow another write, make two calls. An item that was rejected for a passing reason is sent again.

        Parameters
        ----------
        malformed : called with each operation whose document does not fit the mapping, and the reason; None = such a
            document raises an error like every other refusal.

        Raises
        ------
        ElasticsearchError
            If an operation is refused.
        """
        pending: Iterable[NumberedOperation] = enumerate(operations)
        results: dict[int, ResponseAction] = {}
        failures = 0
        while True:
            rejected: list[NumberedOperation] = []
            reason, status = "", 0
            for (number, operation), item in self._bulk_items(pending):
                results[number] = response_action(item["status"])
                if results[number] is ResponseAction.RETRY:
                    rejected.append((number, operation))
                    reason, status = cause(item.get("error", {})), item["status"]
                elif results[number] is ResponseAction.REFUSED:
                    error = cause(item.get("error", {}))
                    if not malformed or item["status"] != MALFORMED or remedy_of(error):
                        raise refusal(f"write to {operation.index}", item["status"], error, operation.index)
                    malformed(operation, error)
            if not rejected:
                return list(results.values())
            pending = rejected
            failures += 1
            self._pause("write", status, NoAnswer(reason), failures)

    def _bulk_items(self, operations: Iterable[NumberedOperation]) -> Iterator[tuple[NumberedOperation, Body]]:
        """Yield operations with their items of the responses, in order."""
        for items in _at_once(self._bulk_once, bulk_requests(operations)):
            yield from items

    def _bulk_once(self, request: BulkRequest) -> list[tuple[NumberedOperation, Body]]:
        lines: Any = request.lines  # the client accepts encoded lines, too
        response = self.call("write", lambda client: client.bulk(operations=lines, filter_path=_BULK_RESULTS).body)
        items = [next(iter(item.values())) for item in response["items"]]
        return list(zip(request.operations, items, strict=True))

    def refresh(self, indices: Iterable[str]) -> None:
        """Make what was written visible to searches."""
        names = sorted(set(indices))
        if names:
            self.call(
                "refresh",
                lambda client: client.indices.refresh(index=names, ignore_unavailable=True, allow_no_indices=True).body,
            )

    def existing(self, pattern: str) -> set[str]:
        """Return the names of the open indices that match."""
        response = self.call(
            "list indices",
            lambda client: client.indices.resolve_index(name=pattern, ignore_unavailable=True).body,
        )
        return {entry["name"] for entry in response["indices"]}

    def unmanaged(self, patterns: Sequence[str]) -> list[str]:
        """Return the names of the matching indices that no lifecycle policy manages."""
        response = self.call(
            "read index settings",
            lambda client: (
                client.indices.get_settings(
                    index=list(patterns),
                    name="index.lifecycle.name",
                    expand_wildcards="open",
                    ignore_unavailable=True,
                    allow_no_indices=True,
                ).body
            ),
        )
        return sorted(
            self.existing(",".join(patterns)) - {name for name, index in response.items() if index["settings"]}
        )

    def delete(self, indices: Sequence[str]) -> None:
        """Delete indices; an index that does not exist is no error."""
        self.call(
            "delete indices", lambda client: client.indices.delete(index=list(indices), ignore_unavailable=True).body
        )


def _at_once(send: Callable[[S], T], requests: Iterable[S]) -> Iterator[T]:
    """Yield the responses to requests, in order; further requests are built while earlier ones run."""
    remaining = iter(requests)
    first = list(islice(remaining, 2))
    if len(first) < 2:
        yield from map(send, first)
        return
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running: deque[Future[T]] = deque()
        for request in chain(first, remaining):
            running.append(pool.submit(send, request))
            if len(running) > AT_ONCE:
                yield running.popleft().result()
        for future in running:
            yield future.result()


def _arguments(body: Body) -> dict[str, Any]:
    return {("source" if name == "_source" else name): value for name, value in body.items()}
