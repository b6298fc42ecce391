"""Whether each HTTP server of the product would start: its certificate, and its protection from other machines."""

from __future__ import annotations

from collections.abc import Iterator

from monitor_agent.diagnosis.check_result import FAILED, OK, WARNING, CheckResult
from monitor_agent.errors import SettingsError
from monitor_agent.http_client.address import is_loopback
from monitor_agent.http_serving.certificates import Certificates
from monitor_agent.http_serving.exposure import exposure_of
from monitor_agent.http_serving.server_warning import ServerWarning
from monitor_agent.settings import HttpSettings, Settings


def check_servers(settings: Settings) -> Iterator[CheckResult]:
    """Yield one result for each server, and one more for a certificate that ends soon."""
    server, viewer, agent, health = settings.server, settings.dashboards, settings.agent, settings.health
    keys, login, token = bool(server.api_keys), viewer.auth != "none", bool(health.token)
    required = settings.security.require_auth
    yield from _check("model server", server.host, "MODEL_SERVER_API_KEYS", server, protected=keys, required=required)
    yield from _check("viewer", viewer.host, "DASHBOARDS_AUTH", viewer, protected=login, required=required)
    if agent.health_port is not None:
        yield from _check(
            "health page", agent.health_host, "MONITOR_HEALTH_TOKEN", health, protected=token, required=required
        )
    receive = settings.receive
    if receive.port is not None:
        protected = bool(receive.token)
        yield from _check(
            "receiver", receive.host, "PIPELINE_RECEIVE_TOKEN", receive, protected=protected, required=required
        )


def _check(
    name: str, host: str, login: str, settings: HttpSettings, *, protected: bool, required: bool
) -> Iterator[CheckResult]:
    try:
        if settings.tls_cert:
            ending = Certificates(settings.tls_cert, settings.tls_key, settings.prefix).warning
            if ending is not None:
                yield _warning(name, ending)
        exposure = exposure_of(f"the {name}", host, login, settings, authenticated=protected, require=required)
    except SettingsError as error:
        yield CheckResult(name, FAILED, error.message, error.hint)
        return
    if exposure is not None:
        yield _warning(name, exposure)
        return
    reach = "only this machine reaches it" if is_loopback(host) else "login and TLS are set"
    yield CheckResult(name, OK, reach)


def _warning(name: str, warning: ServerWarning) -> CheckResult:
    return CheckResult(name, WARNING, warning.finding, warning.remedy)
