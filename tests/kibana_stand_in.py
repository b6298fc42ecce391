"""A small stand-in for Kibana's API that behaves like Kibana 8.19 and 9.x: imports, exports, rules, connectors.

Its rules for an import: the JSON strings of an object must be strings; the data views and searches that it refers to
must exist; an object that exists is a conflict, unless it is overwritten; a file with the same id twice is refused.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Document = dict[str, Any]
NEWEST = {"dashboard": "10.3.0", "lens": "10.1.0", "index-pattern": "8.0.0", "search": "10.9.0", "tag": "8.0.0"}


@dataclass
class KibanaStandIn:
    """The content of the stand-in: objects by space, rules and connectors; and the requests that it received."""

    url: str = ""
    authorization: str = ""
    version: str = "9.5.0"
    objects: dict[str, dict[tuple[str, str], Document]] = field(default_factory=dict)
    rules: dict[str, Document] = field(default_factory=dict)
    connectors: dict[str, Document] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)

    def handle(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, Any]:
        """Return status and answer of a request."""
        address = urlsplit(path)
        space, route = re.fullmatch(r"(?:/s/([^/]+))?(/.*)", address.path).groups()  # type: ignore[union-attr]
        if route == "/api/status":
            allowed = self.authorization in ("", headers.get("Authorization"))
            status = {"version": {"number": self.version}, "status": {"overall": {"level": "available"}}}
            return (200, status) if allowed else _error(401, "Unauthorized")
        self.requests.append((method, address.path))
        if headers.get("kbn-xsrf") is None:
            return _error(400, "Request must contain a kbn-xsrf header.")
        if self.authorization and headers.get("Authorization") != self.authorization:
            return _error(401, "Unauthorized")
        if (method, route) == ("GET", "/api/status"):
            return 200, {"version": {"number": "9.1.0"}, "status": {"overall": {"level": "available"}}}
        stored = self.objects.setdefault(space or "default", {})
        if route == "/api/saved_objects/_import":
            overwrite = parse_qs(address.query).get("overwrite") == ["true"]
            return self._import(stored, _file(headers["Content-Type"], body), overwrite)
        if route == "/api/saved_objects/_export":
            return 200, self._export(stored, json.loads(body))
        return self._alerting(method, route, json.loads(body))

    def _import(self, stored: dict[tuple[str, str], Document], text: str, overwrite: bool) -> tuple[int, Any]:
        lines = [json.loads(line) for line in text.splitlines() if line.strip()]
        incoming = [line for line in lines if "type" in line]
        keys = [(line["type"], line["id"]) for line in incoming]
        if len(set(keys)) < len(keys):
            return _error(400, "Non-unique import objects detected")
        done, errors = [], []
        for line, key in zip(incoming, keys, strict=True):
            version = line.get("typeMigrationVersion", "")
            if key[0] not in NEWEST:
                errors.append(_refused(line, {"type": "unsupported_type"}))
                continue
            if _numbers(version) > _numbers(NEWEST[key[0]]):
                return _error(422, f'Document "{line["id"]}" belongs to a more recent version of Kibana [{version}]')
            if key[0] == "dashboard" and not isinstance(line["attributes"]["panelsJSON"], str):
                return _error(400, "[attributes.panelsJSON]: expected value of type [string]")
            missing = [
                {"type": reference["type"], "id": reference["id"]}
                for reference in line["references"]
                if reference["type"] in ("index-pattern", "search")
                and (reference["type"], reference["id"]) not in {*keys, *stored}
            ]
            if missing:
                errors.append(_refused(line, {"type": "missing_references", "references": missing}))
            elif key in stored and not overwrite:
                errors.append(_refused(line, {"type": "conflict"}))
            else:
                done.append({"type": key[0], "id": key[1], **({"overwrite": True} if key in stored else {})})
                stored[key] = {**line, "version": "WzEsMV0=", "created_at": "2026-03-02T10:00:00Z"}
        answer = {"success": not errors, "successCount": len(done), "successResults": done}
        return 200, {**answer, **({"errors": errors} if errors else {})}

    @staticmethod
    def _export(stored: dict[tuple[str, str], Document], request: Document) -> str:
        tag = request.get("hasReference", {}).get("id")
        todo = [
            key
            for key, document in stored.items()
            if key[0] in request["type"]
            and (not tag or any(r["type"] == "tag" and r["id"] == tag for r in document["references"]))
        ]
        exported: dict[tuple[str, str], Document] = {}
        while todo:
            key = todo.pop()
            if key in exported or key not in stored:
                continue
            exported[key] = stored[key]
            if request.get("includeReferencesDeep"):
                todo += [(reference["type"], reference["id"]) for reference in stored[key]["references"]]
        lines = [json.dumps(document) for document in exported.values()]
        return "\n".join([*lines, json.dumps({"exportedCount": len(lines), "missingRefCount": 0})])

    def _alerting(self, method: str, route: str, body: Document) -> tuple[int, Any]:
        kind, identifier = re.fullmatch(r"/api/(alerting/rule|actions/connector)/(.+)", route).groups()  # type: ignore[union-attr]
        stored = self.rules if kind == "alerting/rule" else self.connectors
        if method == "POST":
            if identifier in stored:
                return _error(409, f"Saved object [{identifier}] conflict")
            stored[identifier] = body
            return 200, {"id": identifier}
        fixed = {"rule_type_id", "consumer", "enabled", "connector_type_id"} & body.keys()
        if fixed:
            return _error(400, f"[request body.{min(fixed)}]: definition for this key is missing")
        stored[identifier] = {**stored[identifier], **body}
        return 200, {"id": identifier}


@contextmanager
def kibana_stand_in(authorization: str = "") -> Iterator[KibanaStandIn]:
    """Yield a stand-in that listens on a free port."""
    stand_in = KibanaStandIn(authorization=authorization)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            status, answer = stand_in.handle(self.command, self.path, self.headers, self.rfile.read(length))
            content = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST  # noqa: N815

        def log_message(self, *_args: Any) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    stand_in.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield stand_in
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _file(content_type: str, body: bytes) -> str:
    message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    (attachment,) = message.iter_parts()  # type: ignore[attr-defined]
    assert attachment.get_param("name", header="content-disposition") == "file"
    assert attachment.get_filename().endswith(".ndjson")
    return str(attachment.get_content().decode())


def _refused(line: Document, error: Document) -> Document:
    return {"type": line["type"], "id": line["id"], "meta": {"title": line["attributes"].get("title")}, "error": error}


def _error(status: int, message: str) -> tuple[int, Any]:
    return status, {"statusCode": status, "message": message}


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split(".")) if version else ()
