"""One request to a cluster, such as for its health, without the client library."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass

from monitor_agent.errors import ElasticsearchError
from monitor_agent.http_auth import authorization_headers
from monitor_agent.settings import ElasticsearchSettings

PROBE_SECONDS = 5.0
LOOPBACK = ("http://127.0.0.1", "http://localhost", "http://[::1]")


@dataclass(frozen=True)
class Login:
    """The address of a cluster, and the user of a request.

    Attributes
    ----------
    url : `http://host:port`.
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
    handlers: list[urllib.request.BaseHandler] = []
    if url.startswith(LOOPBACK):
        handlers.append(urllib.request.ProxyHandler({}))  # the loopback is never behind a proxy
    try:
        if login.ca_certs:
            handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=login.ca_certs)))
        with urllib.request.build_opener(*handlers).open(request, timeout=PROBE_SECONDS) as response:
            answer: dict[str, object] = json.load(response)
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            raise ElasticsearchError(f"{url} refuses the user or the password", "check ELASTICSEARCH_*") from error
        raise ElasticsearchError(f"{url} answers {error.code} to {method} {path}", "check ELASTICSEARCH_URL") from error
    except (OSError, ValueError) as error:
        raise ElasticsearchError(f"{url} does not answer ({error})", "check ELASTICSEARCH_URL") from error
    return answer
