"""How responses of Elasticsearch are read: complete, incomplete or refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from elasticsearch import ApiError, SerializationError

from monitor_agent.contracts.index_troubles import cluster_trouble, index_trouble
from monitor_agent.errors import ElasticsearchError, MissingPrivilegeError, RefusedDocumentError
from monitor_agent.es.retry import ResponseAction, response_action
from monitor_agent.http_client.address import without_credentials
from monitor_agent.http_client.failures import CHECK_PROXY, CHECK_USER, page_title

_HINTS = {
    401: CHECK_USER,
    403: "the user lacks this privilege: use the user that docs/users.md names for this command",
    404: "run monitor-agent setup",
}
UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 401, 403, 404
MALFORMED = 400
"""The status of a document that does not fit the mapping, or of a search that cannot be answered."""
FOREIGN = "the answer is not Elasticsearch's"
_UNKNOWN_TYPE = "Unknown mimetype, not able to serialize or deserialize:"
_REDIRECTIONS = range(300, 400)
_INDEX = re.compile(r"\bindex \[([^\]]+)\]")


class IncompleteResponseError(Exception):
    """Raised if a response lacks shards or documents; the gateway repeats the request."""


def complete_response(response: dict[str, Any], tolerate: str = "") -> dict[str, Any]:
    """Return the response of a search if all shards have answered it.

    Parameters
    ----------
    tolerate : an error type whose response is returned instead of raised.

    Raises
    ------
    IncompleteResponseError
        If shards are missing, or the search has timed out.
    ElasticsearchError
        If the search is refused.
    """
    error = response.get("error")
    if error:
        if tolerate and tolerate in str(error):
            return response
        status = int(response.get("status", 500))
        if response_action(status) is ResponseAction.RETRY:
            raise IncompleteResponseError(cause(error))
        raise refusal("search", status, cause(error))
    if response.get("timed_out") or missing_shards(response):
        shards = response["_shards"]
        raise IncompleteResponseError(f"{shards['successful']} of {shards['total']} shards answered")
    return response


def missing_shards(response: Mapping[str, Any]) -> int:
    """Return how many shards have not answered a search."""
    shards = response["_shards"]
    return int(max(shards["failed"], shards["total"] - shards["successful"]))


def existing_documents(docs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the documents of a multi-get response that exist; a missing index is like a missing document.

    Raises
    ------
    IncompleteResponseError
        If Elasticsearch could not read a document.
    MissingPrivilegeError
        If the user may not read one.
    """
    for doc in docs:
        if "error" in doc and "index_not_found" not in str(doc["error"]):
            if "security_exception" in str(doc["error"]):
                raise refusal("get documents", FORBIDDEN, cause(doc["error"]))
            raise IncompleteResponseError(cause(doc["error"]))
    return [doc for doc in docs if doc.get("found")]


def reason_of(error: ApiError) -> str:
    """Return why Elasticsearch has refused a request, or what another server says in its place."""
    body = error.body
    if is_foreign(error):
        return f"{FOREIGN}{_likeness(error)}"
    return cause(body["error"]) if isinstance(body, Mapping) and "error" in body else str(body or error.message)


def unreadable_reason(error: SerializationError) -> str:
    """Return why a response cannot be read: it was cut off, or another server has answered with another type."""
    _, unknown_type, name = str(error.message).partition(_UNKNOWN_TYPE)
    return f"{FOREIGN}, but of the type {name.strip()[:50]!r}" if unknown_type else str(error.message)


def is_foreign(error: ApiError) -> bool:
    """Return whether a proxy or another server has answered a request."""
    body = error.body
    if isinstance(body, Mapping) and (isinstance(body.get("error"), Mapping) or "_index" in body):
        return False  # also if a proxy has removed the header
    states_product = "x-elastic-product" in error.meta.headers
    if isinstance(body, Mapping):
        return not states_product or "error" not in body
    return bool(body) or not states_product or error.meta.status in _REDIRECTIONS


def is_not_allowed(error: ElasticsearchError) -> bool:
    """Return whether the user lacks the privilege for a request."""
    return isinstance(error, MissingPrivilegeError) or status_of(error) == FORBIDDEN


def status_of(error: Exception) -> int:
    """Return the status with which a request was refused; 0 if there was no answer."""
    refused = error.__cause__
    return refused.meta.status if isinstance(refused, ApiError) else 0


def _likeness(error: ApiError) -> str:
    body = error.body
    if error.meta.status in _REDIRECTIONS:
        return f", but a redirection to {without_credentials(error.meta.headers.get('location') or '')[:100]}"
    if body in (None, "", b""):
        return ", but an empty one"
    if not isinstance(body, str):
        return ": it is other JSON, or the proxy has removed the header X-Elastic-Product"
    title = page_title(str(body).encode())
    return f', but a page: "{title}"' if title else ", but a text or a page"


def cause(error: Any) -> str:
    """Return the root cause of an `error` in a response, as type and reason."""
    if not isinstance(error, Mapping):
        return str(error)
    root = root_cause(error)
    return f"{root.get('type', '')}: {root.get('reason', '')}"


def root_cause(error: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the deepest cause of an `error` in a response."""
    root: Mapping[str, Any] = (error.get("root_cause") or [error])[0]
    return root


def refused_request(purpose: str, error: ApiError) -> ElasticsearchError:
    """Return the error for a request that was refused by Elasticsearch, or by another server in its place."""
    status, reason = error.meta.status, reason_of(error)
    if not is_foreign(error):
        return refusal(purpose, status, reason)
    hint = "write https:// in ELASTICSEARCH_URL" if "HTTPS port" in reason else CHECK_PROXY
    return ElasticsearchError(
        f"{purpose}: {reason} (status {status})", _HINTS[UNAUTHORIZED] if status == UNAUTHORIZED else hint
    )


def refusal(purpose: str, status: int, reason: str, index: str = "") -> ElasticsearchError:
    """Return the error for a refused request, with what the user can do.

    Parameters
    ----------
    purpose : what the request is for, such as `write to model-feedback`.
    index : the index that it concerns, if there is one.
    """
    hint = _HINTS.get(status, "see Elasticsearch's log")
    if status != NOT_FOUND:  # a missing index has its own remedy here: the agent's indices come from the setup
        hint = remedy_of(reason, index) or hint
    concerns_one = status == MALFORMED and not remedy_of(reason, index)
    kind = RefusedDocumentError if concerns_one else ElasticsearchError
    if status == FORBIDDEN and not remedy_of(reason, index):
        kind = MissingPrivilegeError
    return kind(f"{purpose}: {reason[:300]} (status {status})", hint)


def remedy_of(reason: str, index: str = "") -> str:
    """Return what makes an index, or the cluster, take documents again; "" if something else is wrong.

    Parameters
    ----------
    index : the index, if the reason does not name it.
    """
    match = _INDEX.search(reason)
    trouble = index_trouble(index or (match[1] if match else "INDEX"), reason) or cluster_trouble(reason)
    return trouble.remedy if trouble else ""
