"""The same roles and users are created on a cluster that keeps them itself."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from monitor_agent.contracts.roles import ROLES
from monitor_agent.errors import StackError
from monitor_agent.settings import ElasticsearchSettings, PipelineSettings, Settings, StackSettings
from monitor_agent.stack.native_users import create_users


class SecurityApi(HTTPServer):
    """Keeps the requests to the security API of a cluster, in order."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[tuple[str, str, Any]] = []


class _Handler(BaseHTTPRequestHandler):
    server: SecurityApi

    def do_PUT(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((self.command, self.path, body))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    do_POST = do_PUT  # noqa: N815  # the name that http.server calls

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def api() -> Iterator[SecurityApi]:
    """Yield a listener that answers like the security API, which the embedded cluster does not have."""
    with SecurityApi() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_roles_come_before_users_and_equal_those_in_the_files(api: SecurityApi) -> None:
    """Each role is sent as it is defined, then each user that has a password, with the role of its name."""
    settings = Settings(
        elasticsearch=ElasticsearchSettings(url=(f"http://127.0.0.1:{api.server_port}",)),
        pipeline=PipelineSettings(password="p"),
        stack=StackSettings(agent_password="a", kibana_password="k"),
    )

    create_users(settings, lambda _line: None)

    assert api.requests == [
        *(("PUT", f"/_security/role/{name}", body) for name, body in ROLES.items()),
        ("PUT", "/_security/user/pipeline_writer", {"password": "p", "roles": ["pipeline_writer"]}),
        ("PUT", "/_security/user/monitor_agent", {"password": "a", "roles": ["monitor_agent"]}),
        ("POST", "/_security/user/kibana_system/_password", {"password": "k"}),
    ]


def test_without_passwords_nothing_is_sent(api: SecurityApi) -> None:
    """No user is created with an empty password."""
    settings = replace(Settings(), elasticsearch=ElasticsearchSettings(url=(f"http://127.0.0.1:{api.server_port}",)))

    with pytest.raises(StackError, match="PIPELINE_PASSWORD"):
        create_users(settings, lambda _line: None)
    assert api.requests == []
