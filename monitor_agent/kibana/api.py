"""A Kibana over HTTP: import and export of saved objects, alerting rules and connectors.

Source: Kibana's saved objects and alerting APIs, 8.19 and 9.x.
"""

from __future__ import annotations

import http.client
import json
import urllib.parse
import urllib.request
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from typing import Any

from monitor_agent.errors import KibanaError
from monitor_agent.http_client.address import without_credentials
from monitor_agent.http_client.authorization import authorization_headers
from monitor_agent.http_client.failures import AddressSettings, failure_of, json_object, page_title
from monitor_agent.http_client.opener import answer_to, opener
from monitor_agent.http_client.products import UPGRADE, is_too_old, version_text
from monitor_agent.settings import KibanaSettings

_CONFLICT = 409
_STATUS = "/api/status"
_WITHOUT_STATUS = (401, 403, 404, 405, 501, 503)
"""Statuses of servers that do not say what they are; the next request reports them, with what to do."""
_PROXY = "check KIBANA_URL and the proxy between (HTTP_PROXY, HTTPS_PROXY, NO_PROXY)"
_NOT_READY = b"Kibana server is not ready"
"""The text of Kibana while it starts, or waits for Elasticsearch."""
OK, REDIRECTION = 200, 300
_HINTS = {
    401: "check KIBANA_API_KEY, or KIBANA_USERNAME and KIBANA_PASSWORD",
    403: "the user lacks a privilege in this space: Saved Objects Management, and Stack Rules for rules",
    404: "check KIBANA_URL and KIBANA_SPACE",
    413: "raise savedObjects.maxImportPayloadBytes",
}


@dataclass(frozen=True)
class Refusal:
    """An object that was not imported: `reason` is Kibana's word, such as `conflict` or `missing_references`."""

    type: str
    id: str
    reason: str
    detail: str = ""


@dataclass(frozen=True)
class ImportResult:
    """The result of an import: the number of imported objects, of those replaced, and the refused objects."""

    imported: int
    replaced: int
    refused: tuple[Refusal, ...]


class Kibana:
    """One space of one Kibana."""

    def __init__(self, settings: KibanaSettings) -> None:
        base = self._root = settings.url.rstrip("/")
        self._version_is_unknown = True
        self._base = f"{base}/s/{urllib.parse.quote(settings.space)}" if settings.space else base
        self._timeout = settings.request_timeout.total_seconds()
        self._headers = {
            "kbn-xsrf": "true",
            **authorization_headers(settings.username, settings.password, settings.api_key),
        }
        self._names = AddressSettings("KIBANA_URL", "KIBANA_CA_CERTS", settings.ca_certs, self._timeout)
        self._opener = opener(settings.url, settings.ca_certs, self._names.ca_certs)

    def version(self) -> str:
        """Return the version of Kibana, which is ready then.

        Raises
        ------
        KibanaError
            If Kibana cannot be reached, is not ready, or refuses the user.
        """
        _, answer = self._send("GET", "/api/status", None)
        document = _json(answer)
        version = document.get("version")
        number = version.get("number", "") if isinstance(version, dict) else ""
        if not number:
            raise KibanaError(f"{self._base}: the answer is not Kibana's: it names no version", _PROXY)
        return str(number)

    def import_objects(self, package: str, *, overwrite: bool) -> ImportResult:
        """Import a file of saved objects and return the result.

        Raises
        ------
        KibanaError
            If Kibana cannot be reached or refuses the whole file.
        """
        boundary = uuid.uuid4().hex
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="model-monitoring.ndjson"\r\n'
            "Content-Type: application/ndjson\r\n\r\n"
        )
        body = f"{head}{package}\r\n--{boundary}--\r\n".encode()
        _, answer = self._send(
            "POST",
            f"/api/saved_objects/_import?overwrite={str(overwrite).lower()}",
            body,
            f"multipart/form-data; boundary={boundary}",
        )
        result = _json(answer)
        refused = tuple(_refusal(error) for error in result.get("errors", ()))
        replaced = sum(bool(success.get("overwrite")) for success in result.get("successResults", ()))
        return ImportResult(int(result.get("successCount", 0)), replaced, refused)

    def export(self, types: Sequence[str], tag: str = "") -> str:
        """Return an export file of all objects of some types.

        Parameters
        ----------
        tag : id of a tag; only objects with this tag are exported, and with them the objects that they refer to.
        """
        selection: dict[str, Any] = {"type": list(types)}
        if tag:
            selection |= {"hasReference": {"type": "tag", "id": tag}, "includeReferencesDeep": True}
        _, answer = self._send("POST", "/api/saved_objects/_export", json.dumps(selection).encode())
        return answer.decode("utf-8")

    def put_rule(self, identifier: str, rule: Mapping[str, Any]) -> bool:
        """Create an alerting rule, or change it if it exists; return whether it is new."""
        path = f"/api/alerting/rule/{identifier}"
        status, _ = self._send("POST", path, json.dumps(rule).encode(), accept=(_CONFLICT,))
        if status != _CONFLICT:
            return True
        fixed = ("rule_type_id", "consumer", "enabled")
        body = {name: value for name, value in rule.items() if name not in fixed}
        self._send("PUT", path, json.dumps(body).encode())
        return False

    def put_connector(self, identifier: str, connector: Mapping[str, Any]) -> bool:
        """Create a connector, or change it if it exists; return whether it is new."""
        path = f"/api/actions/connector/{identifier}"
        status, _ = self._send("POST", path, json.dumps(connector).encode(), accept=(_CONFLICT,))
        if status != _CONFLICT:
            return True
        body = {name: value for name, value in connector.items() if name != "connector_type_id"}
        self._send("PUT", path, json.dumps(body).encode())
        return False

    def _send(
        self,
        method: str,
        path: str,
        body: bytes | None,
        content: str = "application/json",
        accept: tuple[int, ...] = (),
    ) -> tuple[int, bytes]:
        if self._version_is_unknown:
            self._check_version()
        headers = {**self._headers, "Content-Type": content}
        return self._answer(urllib.request.Request(self._base + path, body, headers, method=method), path, accept)

    def _check_version(self) -> None:
        """Ask once what answers; a Kibana that does not say its version is not refused.

        Raises
        ------
        KibanaError
            If it is an old Kibana, or none.
        """
        request = urllib.request.Request(f"{self._root}{_STATUS}", headers=self._headers)
        status, answer = self._answer(request, _STATUS, accept=_WITHOUT_STATUS)
        if status in _WITHOUT_STATUS:
            return  # the request after this one says why
        document = _json(answer)
        stated = document.get("version", {})
        version = stated.get("number") if isinstance(stated, Mapping) else None
        if "status" not in document:
            raise KibanaError(f"{self._root} is no Kibana: its {_STATUS} has no status", "check KIBANA_URL")
        if isinstance(version, str) and is_too_old(version):
            raise KibanaError(
                f"Kibana 8.19 or newer is needed, this is {version_text(version)} at {self._root}", UPGRADE
            )
        self._version_is_unknown = False

    def _answer(self, request: urllib.request.Request, path: str, accept: tuple[int, ...]) -> tuple[int, bytes]:
        method = request.get_method()
        try:
            status, header, page = answer_to(self._opener, request, self._timeout)
        except (OSError, http.client.HTTPException) as error:
            failure = failure_of(error, self._names)
            hint = failure.hint or "check that Kibana runs and that KIBANA_URL is right"
            raise KibanaError(f"{self._base}: {failure.reason}", hint) from error
        if OK <= status < REDIRECTION or status in accept:
            return status, page
        raise self._refused(status, header, page, f"{method} {path}")

    def _refused(self, status: int, header: Message, content: bytes, request: str) -> KibanaError:
        """Return why a request was refused: by Kibana, or by another server in its place."""
        document = json_object(content)
        if document is not None and "message" in document:
            hint = _HINTS.get(status, "correct what the reason names")
            return KibanaError(f"Kibana answered {status} to {request}: {str(document['message'])[:300]}", hint)
        if status == 503 and (_NOT_READY in content or _is_status(document)):
            return KibanaError(f"{self._base}: Kibana is not ready yet", "wait until it has started, and see its log")
        title, target = page_title(content), header.get("Location", "")
        answer = f'a page: "{title}"' if title else "no JSON of Kibana"
        if target:
            answer = f"a redirection to {without_credentials(target)[:100]}"
        hint = _HINTS[401] if status == 401 else _PROXY
        return KibanaError(f"{self._base} answered {status} to {request} ({answer})", hint)


def _is_status(document: Mapping[str, Any] | None) -> bool:
    """Return whether an answer is the status of a Kibana that is not available."""
    return document is not None and {"status", "version"} <= document.keys()


def _refusal(error: Mapping[str, Any]) -> Refusal:
    cause = error.get("error", {})
    missing = ", ".join(f"{reference['type']}:{reference['id']}" for reference in cause.get("references", ()))
    return Refusal(error["type"], error["id"], cause.get("type", "unknown"), missing or str(cause.get("message", "")))


def _json(answer: bytes) -> dict[str, Any]:
    document = json_object(answer)
    if document is None:
        title = page_title(answer)
        page = f': it is a page, "{title}"' if title else ""
        raise KibanaError(f"the answer is not Kibana's{page}", _PROXY)
    return document
