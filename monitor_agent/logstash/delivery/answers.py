"""Who has answered a request: Elasticsearch, or a proxy or another server on the way to it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import orjson

from monitor_agent.http_client.failures import CHECK_PROXY, page_title
from monitor_agent.logstash.delivery.transport import HttpAnswer
from monitor_agent.logstash.delivery.trouble_messages import CREDENTIALS


def own_error(answer: HttpAnswer) -> dict[str, Any] | None:
    """Return the error object of an answer of Elasticsearch; None if the answer has none.

    Only such an answer says something about documents. An error page of a proxy, whatever its status is, does not.
    """
    error = (json_object(answer) or {}).get("error")
    is_own = isinstance(error, dict) and isinstance(error.get("type"), str) and "reason" in error
    return error if is_own else None


def json_object(answer: HttpAnswer) -> dict[str, Any] | None:
    """Return the body of an answer if it is a JSON object."""
    try:
        document = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) else None


def foreign_trouble(answer: HttpAnswer) -> str:
    """Return one line about an answer that is not Elasticsearch's: what it is, from where, and what to check."""
    remedy = CHECK_PROXY
    if b"HTTPS port" in answer.body:
        remedy = "write https:// in ELASTICSEARCH_URL"
    elif answer.status == 401:
        remedy = f"a proxy wants a login: {CREDENTIALS}"
    elif answer.status == 413:
        remedy = "let the proxy between, or http.max_content_length of Elasticsearch, accept larger requests"
    return (
        f"the answer is {_likeness(answer)}, not Elasticsearch's: {remedy}; trying again "
        f"({answer.address} gave status {answer.status}{_title(answer.body)})"
    )


def _likeness(answer: HttpAnswer) -> str:
    if answer.location:
        target = urlsplit(answer.location)
        return f"a redirection to {target.hostname or ''}{target.path or '/'}"
    body = answer.body.lstrip()
    if not body:
        return "empty"
    if body.startswith(b"<") or "html" in answer.content_type:
        return "HTML"
    if json_object(answer) is not None:
        return "other JSON"
    return "cut off" if body.startswith(b"{") else "text"


def _title(body: bytes) -> str:
    title = page_title(body)
    return f', "{title}"' if title else ""
