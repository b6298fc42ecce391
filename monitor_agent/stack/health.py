"""What a cluster says of its health, asked without the client library."""

from __future__ import annotations

import base64
import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass

from monitor_agent.errors import ElasticsearchError

PROBE_SECONDS = 5.0
LOOPBACK = ("http://127.0.0.1", "http://localhost", "http://[::1]")


@dataclass(frozen=True)
class Login:
    """An address and who asks.

    Attributes
    ----------
    url : `http://host:port`.
    username, password : of basic authentication; both empty = none.
    api_key : encoded, instead of them.
    ca_certs : file with the certificate authority, for https; empty = the system's.
    """

    url: str
    username: str = ""
    password: str = ""
    api_key: str = ""
    ca_certs: str = ""


def cluster_status(login: Login, query: str = "") -> str:
    """Return `green`, `yellow` or `red`; empty when there is no answer, or a wish in `query` was not met in time."""
    try:
        answer = ask_health(login, query)
    except ElasticsearchError:
        return ""
    return "" if answer.get("timed_out") else str(answer.get("status", ""))


def ask_health(login: Login, query: str = "") -> dict[str, object]:
    """Return the answer of `GET /_cluster/health`; ElasticsearchError says why there is none."""
    url = login.url.rstrip("/")
    request = urllib.request.Request(f"{url}/_cluster/health{query}", headers=_authorization(login))
    handlers: list[urllib.request.BaseHandler] = []
    if url.startswith(LOOPBACK):
        handlers.append(urllib.request.ProxyHandler({}))  # the loopback is never behind a proxy
    if login.ca_certs:
        handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=login.ca_certs)))
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=PROBE_SECONDS) as response:
            answer: dict[str, object] = json.load(response)
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            raise ElasticsearchError(f"{url} refuses the user or the password", "check ELASTICSEARCH_*") from error
        raise ElasticsearchError(f"{url} answers {error.code}", "check ELASTICSEARCH_URL") from error
    except (OSError, ValueError) as error:
        raise ElasticsearchError(f"{url} does not answer ({error})", "check ELASTICSEARCH_URL") from error
    return answer


def _authorization(login: Login) -> dict[str, str]:
    if login.api_key:
        return {"Authorization": f"ApiKey {login.api_key}"}
    if login.username:
        token = base64.b64encode(f"{login.username}:{login.password}".encode()).decode()
        return {"Authorization": f"Basic {token}"}
    return {}
