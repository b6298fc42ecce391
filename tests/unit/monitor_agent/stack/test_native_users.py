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
from monitor_agent.errors import ElasticsearchError, StackError
from monitor_agent.settings import ElasticsearchSettings, PipelineSettings, Settings, StackSettings
from monitor_agent.stack.native_users import create_users


class SecurityApi(HTTPServer):
    """Keeps the requests to the security API of a cluster, in order."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[tuple[str, str, Any]] = []
        self.refusal: tuple[int, str, Any] = (0, "", None)


class _Handler(BaseHTTPRequestHandler):
    server: SecurityApi

    def do_PUT(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((self.command, self.path, body))
        status, path, error = self.server.refusal
        refused = bool(status) and path in self.path
        self.send_response(status if refused else 200)
        self.send_header("X-Elastic-Product", "Elasticsearch")
        self.end_headers()
        self.wfile.write(json.dumps({"error": error, "status": status}).encode() if refused else b"{}")

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
        stack=StackSettings(agent_password="a"),
    )

    create_users(settings, lambda _line: None)

    assert api.requests == [
        *(("PUT", f"/_security/role/{name}", body) for name, body in ROLES.items()),
        ("PUT", "/_security/user/pipeline_writer", {"password": "p", "roles": ["pipeline_writer"]}),
        ("PUT", "/_security/user/monitor_agent", {"password": "a", "roles": ["monitor_agent"]}),
    ]


def test_a_kibana_of_the_stack_gets_its_password_and_its_roles(api: SecurityApi) -> None:
    """The user of the set-up may fill Kibana, and the analyst may read there; the other users have no right in it."""
    settings = Settings(
        elasticsearch=ElasticsearchSettings(url=(f"http://127.0.0.1:{api.server_port}",)),
        stack=StackSettings(agent_password="a", setup_password="s", analyst_password="b", kibana_password="k"),
    )

    create_users(settings, lambda _line: None)

    bodies = {path: body for _, path, body in api.requests}
    roles = {user: bodies[f"/_security/user/{user}"]["roles"] for user in ("monitor_agent", "monitor_setup", "analyst")}
    assert roles == {
        "monitor_agent": ["monitor_agent"],
        "monitor_setup": ["monitor_setup", "kibana_installer"],
        "analyst": ["analyst", "kibana_reader"],
    }
    assert bodies["/_security/role/kibana_reader"]["applications"][0]["privileges"] == ["read"]
    assert bodies["/_security/user/kibana_system/_password"] == {"password": "k"}


def test_without_passwords_nothing_is_sent(api: SecurityApi) -> None:
    """No user is created with an empty password."""
    settings = replace(Settings(), elasticsearch=ElasticsearchSettings(url=(f"http://127.0.0.1:{api.server_port}",)))

    with pytest.raises(StackError, match="PIPELINE_PASSWORD"):
        create_users(settings, lambda _line: None)
    assert api.requests == []


SHORT = {"type": "action_request_validation_exception", "reason": "passwords must be at least [6] characters long"}
UNAUTHORIZED = {
    "type": "security_exception",
    "reason": "action [cluster:admin/xpack/security/role/put] is unauthorized for user [ada] with effective roles []",
}


@pytest.mark.parametrize(
    ("status", "path", "error", "reason", "remedy"),
    [
        (
            400,
            "/user/analyst",
            SHORT,
            "passwords must be at least [6]",
            "choose a longer password (STACK_ANALYST_PASSWORD)",
        ),
        (
            400,
            "/kibana_system",
            SHORT,
            "passwords must be at least [6]",
            "choose a longer password (STACK_KIBANA_PASSWORD)",
        ),
        (400, "/user/", {"type": "x", "reason": "user [elastic] is reserved"}, "is reserved", "choose another one"),
        (
            403,
            "/role/",
            {"type": "security_exception", "reason": "current license is non-compliant for [security]"},
            "current license is non-compliant",
            "POST /_license/start_basic",
        ),
        (400, "/user/", {"type": "x", "reason": "native realm [a] is disabled"}, "disabled", "authc.realms.native"),
        (403, "/role/", UNAUTHORIZED, "is unauthorized for user [ada]", "use a user with this privilege"),
        (
            400,
            "/role/",
            "no handler found for uri [/_security/role/analyst] and method [PUT]",
            "no handler found for uri",
            "xpack.security.enabled: true",
        ),
    ],
)
def test_the_reason_of_elasticsearch_is_passed_on(
    api: SecurityApi, status: int, path: str, error: Any, reason: str, remedy: str
) -> None:
    """One line has Elasticsearch's words, and what to do about them."""
    api.refusal = (status, path, {"root_cause": [error], **error} if isinstance(error, dict) else error)
    settings = Settings(
        elasticsearch=ElasticsearchSettings(url=(f"http://127.0.0.1:{api.server_port}",)),
        stack=StackSettings(analyst_password="a", kibana_password="k"),
    )

    with pytest.raises(ElasticsearchError) as caught:
        create_users(settings, lambda _line: None)

    line = str(caught.value)
    assert reason in line
    assert remedy in line
    assert f"(status {status})" in line
    assert "\n" not in line
    assert "not Elasticsearch" not in line
