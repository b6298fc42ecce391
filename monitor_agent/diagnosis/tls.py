"""Whether the connection to Elasticsearch is encrypted, and its certificate is verified and stays valid."""

from __future__ import annotations

import ssl
from dataclasses import replace
from datetime import datetime, timezone
from socket import create_connection

from monitor_agent.diagnosis.check_result import FAILED, OK, SKIPPED, WARNING, CheckResult
from monitor_agent.diagnosis.cluster import check_certificate
from monitor_agent.errors import SettingsError
from monitor_agent.http_client.address import parse_address
from monitor_agent.http_client.connections import noting_names
from monitor_agent.http_client.failures import ELASTICSEARCH, failure_of
from monitor_agent.http_client.proxies import proxy_of
from monitor_agent.http_client.trust import client_context
from monitor_agent.settings import ElasticsearchSettings

TIMEOUT_SECONDS = 5.0


def check_tls(settings: ElasticsearchSettings, url: str, now: datetime) -> CheckResult:
    """Return whether the connection to one address is encrypted and the certificate is verified."""
    address = parse_address(url, "ELASTICSEARCH_URL")
    host = address.host
    if address.scheme != "https":
        if address.is_loopback:
            return CheckResult("TLS", SKIPPED, f"{host} is this machine: nothing needs encryption")
        if settings.username or settings.api_key:
            return CheckResult("TLS", WARNING, f"{host}: passwords are sent unencrypted (http)", "use https")
        return CheckResult("TLS", SKIPPED, f"{host}: the address begins with http, so there is no encryption")
    names = replace(ELASTICSEARCH, ca_file=settings.ca_certs)
    try:
        context = client_context(settings.ca_certs, names.ca_certs)
        proxied = proxy_of(address) is not None
    except SettingsError as error:
        return CheckResult("TLS", FAILED, error.message, error.hint)
    if proxied:
        return CheckResult("TLS", SKIPPED, f"{host}: behind a proxy; each request verifies the certificate")
    try:
        with (
            noting_names(host, address.port, proxied=False),
            create_connection((host, address.port), TIMEOUT_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host) as encrypted,
        ):
            certificate = encrypted.getpeercert() or {}
    except ssl.SSLError as error:
        failure = failure_of(error, names)
        return CheckResult("TLS", FAILED, f"{host}: {failure.reason}", failure.hint)
    except OSError as error:
        return CheckResult("TLS", SKIPPED, f"{host}: {failure_of(error, names).reason}")
    not_after = str(certificate.get("notAfter", ""))
    if not not_after:
        return CheckResult("TLS", OK, f"{host}: the certificate is verified")
    return check_certificate(datetime.fromtimestamp(ssl.cert_time_to_seconds(not_after), timezone.utc), now)
