"""One request to a cluster, such as for its health, without the client library."""

from __future__ import annotations

import http.client
import json
import re
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.message import Message

from monitor_agent.errors import ElasticsearchError, UnsupportedServerError
from monitor_agent.http_client.address import without_credentials
from monitor_agent.http_client.authorization import authorization_headers
from monitor_agent.http_client.failures import (
    CHECK_ELASTICSEARCH,
    CHECK_PROXY,
    CHECK_USER,
    ELASTICSEARCH,
    failure_of,
    json_object,
    page_title,
)
from monitor_agent.http_client.opener import answer_to, opener
from monitor_agent.http_client.products import wrong_elasticsearch
from monitor_agent.settings import ElasticsearchSettings

PROBE_SECONDS = 5.0
_ADDRESS = f"{CHECK_PROXY} (HTTP_PROXY, HTTPS_PROXY, NO_PROXY)"
_REMEDIES = (
    (r"passwords? must|password.{0,20} too short", "choose a longer password"),
    (r"licen[sc]e", "renew the licence (GET /_license), or start a basic one (POST /_license/start_basic)"),
    (r"native.{0,40}(disabled|not enabled)", "let xpack.security.authc.realms.native and native_users be enabled"),
    (r"is reserved", "Elasticsearch has this name for itself: choose another one"),
    (r"no handler found for uri \[/_security|security (is not|must be) .*enabled", "set xpack.security.enabled: true"),
)
"""What to do about refusals whose status says too little: a pattern of the reason, and the remedy."""
OK, REDIRECTION = 200, 300


@dataclass(frozen=True)
class Login:
    """The address of a cluster, and the user of a request.

    Attributes
    ----------
    url : `http://host:port`, without user and password.
    username, password : of basic authentication; both empty = none.
    api_key : encoded; it replaces user and password.
    ca_certs : file with the certificate authority, for https; empty = the system's.
    """

    url: str
    username: str = ""
    password: str = ""
    api_key: str = ""
    ca_certs: str = ""


def logins(settings: ElasticsearchSettings) -> list[Login]:
    """Return the login at each address of a cluster, at least one."""
    return [
        Login(url, settings.username, settings.password, settings.api_key, settings.ca_certs) for url in settings.url
    ]


def require_elasticsearch(login: Login) -> None:
    """Return if the product supports what answers at an address, or if it does not say what it is.

    Raises
    ------
    UnsupportedServerError
        If it is another product or an old version.
    """
    try:
        document = call(login, "GET", "/")
    except ElasticsearchError:
        return  # the request after this one says why
    reason, remedy = wrong_elasticsearch(document, login.url)
    if reason:
        raise UnsupportedServerError(reason, remedy)


def cluster_status(login: Login, query: str = "") -> str:
    """Return `green`, `yellow` or `red`; empty if there is no answer, or the state in `query` did not come in time."""
    try:
        answer = cluster_health(login, query)
    except ElasticsearchError:
        return ""
    return "" if answer.get("timed_out") else str(answer.get("status", ""))


def cluster_health(login: Login, query: str = "") -> dict[str, object]:
    """Return the answer of `GET /_cluster/health`.

    Raises
    ------
    ElasticsearchError
        If there is no answer; the message names the reason.
    """
    return call(login, "GET", f"/_cluster/health{query}")


def call(login: Login, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, object]:
    """Return the JSON answer to one request.

    Parameters
    ----------
    method, path : of the request; `path` begins with a slash.
    body : the content of the request, sent as JSON.

    Raises
    ------
    ElasticsearchError
        If there is no answer, or the cluster refuses the request.
    """
    url = login.url.rstrip("/")
    content = json.dumps(body).encode() if body is not None else None
    credentials = authorization_headers(login.username, login.password, login.api_key)
    headers = {**credentials, "Content-Type": "application/json"}
    request = urllib.request.Request(url + path, content, headers, method=method)
    names = replace(ELASTICSEARCH, ca_file=login.ca_certs, seconds=PROBE_SECONDS)
    try:
        status, header, answered = answer_to(opener(url, login.ca_certs, names.ca_certs), request, PROBE_SECONDS)
    except (OSError, http.client.HTTPException) as error:
        failure = failure_of(error, names)
        raise ElasticsearchError(f"{url}: {failure.reason}", failure.hint or CHECK_ELASTICSEARCH) from error
    if not OK <= status < REDIRECTION:
        raise _refused(status, header, answered, url, f"{method} {path}")
    answer = json_object(answered)
    if answer is None:
        raise ElasticsearchError(f"{url} is no Elasticsearch{_titled(answered)}", _ADDRESS)
    return answer


def _refused(status: int, header: Message, content: bytes, url: str, request: str) -> ElasticsearchError:
    """Return why a request was refused, in Elasticsearch's words if it was Elasticsearch."""
    reason = (json_object(content) or {}).get("error")
    if isinstance(reason, str) and header.get("X-Elastic-Product"):
        reason = {"reason": reason}
    if not isinstance(reason, Mapping):
        target = header.get("Location", "")
        redirection = f", a redirection to {without_credentials(target)[:100]}" if target else ""
        return ElasticsearchError(
            f"{url} answers {status} to {request}{redirection}{_titled(content)}: this is not Elasticsearch",
            _ADDRESS,
        )
    roots = reason.get("root_cause")
    root = roots[0] if isinstance(roots, list) and roots and isinstance(roots[0], Mapping) else reason
    text = " ".join(f"{root.get('type', '')}: {root.get('reason', '')}".removeprefix(": ").split())[:300]
    remedies = (remedy for pattern, remedy in _REMEDIES if re.search(pattern, text, re.IGNORECASE))
    hint = next(remedies, "") or {
        401: CHECK_USER,
        403: "use a user with this privilege, such as `elastic`",
    }.get(status, "correct what the reason names")
    return ElasticsearchError(f"{url} refuses {request}: {text} (status {status})", hint)


def _titled(content: bytes) -> str:
    title = page_title(content)
    return f' (a page: "{title}")' if title else ""
