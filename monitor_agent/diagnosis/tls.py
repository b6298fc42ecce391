"""Whether the connection to Elasticsearch is encrypted, and its certificate is verified and stays valid."""

from __future__ import annotations

import ssl
from datetime import datetime, timezone
from ipaddress import ip_address
from socket import create_connection
from urllib.parse import urlsplit

from monitor_agent.diagnosis.check_result import FAILED, OK, SKIPPED, WARNING, CheckResult
from monitor_agent.diagnosis.cluster import check_certificate
from monitor_agent.settings import ElasticsearchSettings

TIMEOUT_SECONDS = 5.0
HTTPS_PORT = 443


def check_tls(settings: ElasticsearchSettings, url: str, now: datetime) -> CheckResult:
    """Return whether the connection to one address is encrypted and the certificate is verified."""
    address = urlsplit(url)
    host = address.hostname or ""
    if address.scheme != "https":
        if _is_loopback(host):
            return CheckResult("TLS", SKIPPED, f"{host} is this machine: nothing needs encryption")
        if settings.username or settings.api_key:
            return CheckResult("TLS", WARNING, f"{host}: passwords are sent unencrypted (http)", "use https")
        return CheckResult("TLS", SKIPPED, f"{host}: the address begins with http, so there is no encryption")
    try:
        context = ssl.create_default_context(cafile=settings.ca_certs or None)
    except OSError as error:
        problem = f"the file {settings.ca_certs} cannot be read ({error.strerror or error})"
        return CheckResult("TLS", FAILED, problem, "set ELASTICSEARCH_CA_CERTS to a file of certificates (PEM)")
    try:
        with (
            create_connection((host, address.port or HTTPS_PORT), TIMEOUT_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host) as encrypted,
        ):
            certificate = encrypted.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        return CheckResult("TLS", FAILED, f"{host}: {error.verify_message}", remedy_of(error.verify_message))
    except ssl.SSLError as error:
        return CheckResult(
            "TLS", FAILED, f"{host}: {error.reason or error}", "check that Elasticsearch serves https at this address"
        )
    except OSError as error:
        return CheckResult("TLS", SKIPPED, f"{host} does not answer ({error.strerror or error})")
    not_after = str(certificate.get("notAfter", ""))
    if not not_after:
        return CheckResult("TLS", OK, f"{host}: the certificate is verified")
    return check_certificate(datetime.fromtimestamp(ssl.cert_time_to_seconds(not_after), timezone.utc), now)


def remedy_of(message: str) -> str:
    """Return what to do about a certificate that cannot be verified.

    >>> remedy_of("certificate has expired")
    'renew the certificate of Elasticsearch'
    """
    if "expired" in message:
        return "renew the certificate of Elasticsearch"
    if "mismatch" in message or "valid for" in message:
        return "use a name in ELASTICSEARCH_URL that the certificate has"
    return "set ELASTICSEARCH_CA_CERTS to the file with the certificate authority"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
