"""Whether Kibana answers, and what proxies the environment names for it and for downloads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

from monitor_agent.diagnosis.check_result import FAILED, OK, SKIPPED, CheckResult
from monitor_agent.errors import KibanaError
from monitor_agent.http_client.address import mask_credentials
from monitor_agent.kibana.api import Kibana
from monitor_agent.settings import KibanaSettings

KIBANA, PROXIES = "Kibana", "proxies"
TIMEOUT = timedelta(seconds=5)
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def check_kibana(settings: KibanaSettings) -> CheckResult:
    """Return whether Kibana answers and accepts the user.

    Raises
    ------
    SettingsError
        If the file of the certificate authority holds no certificate.
    """
    if replace(settings, folder=KibanaSettings().folder) == KibanaSettings():
        return CheckResult(KIBANA, SKIPPED, "KIBANA_URL is not set: only `kibana import` and `setup --kibana` need it")
    try:
        version = Kibana(replace(settings, request_timeout=TIMEOUT)).version()
    except KibanaError as error:
        return CheckResult(KIBANA, FAILED, error.message, error.hint)
    return CheckResult(KIBANA, OK, f"{settings.url}: version {version}")


def check_proxies(environ: Mapping[str, str]) -> Iterator[CheckResult]:
    """Yield a result for each variable that names no proxy, or one for all of them."""
    values = {name: environ.get(name.lower()) or environ.get(name, "") for name in VARIABLES}
    stated = {name: value for name, value in values.items() if value}
    wrong = {name: problem for name, value in stated.items() if (problem := problem_of_proxy(value))}
    for name, problem in wrong.items():
        text = f"{name}={mask_credentials(stated[name])}: {problem}"
        yield CheckResult(PROXIES, FAILED, text, "write http://host:port, or unset it")
    if not stated:
        yield CheckResult(PROXIES, SKIPPED, "the environment names none")
    elif not wrong:
        names = ", ".join(f"{name}={mask_credentials(value)}" for name, value in stated.items())
        text = f"{names}: for Kibana and downloads; the agent and the pipeline connect to Elasticsearch directly"
        yield CheckResult(PROXIES, OK, text)


def problem_of_proxy(text: str) -> str:
    """Return why a text is no address of a proxy; empty if it is one.

    >>> problem_of_proxy("http://proxy:3128"), problem_of_proxy("proxy:3128")
    ('', '')
    >>> problem_of_proxy("socks5://proxy:1080"), problem_of_proxy("http://proxy:port")
    ('a proxy of socks5:// is not supported', 'it is no address')
    """
    address = text if "://" in text else f"http://{text}"
    try:
        proxy = urlsplit(address)
        valid = bool(proxy.hostname) and (proxy.port is None or proxy.port > 0)
    except ValueError:
        valid = False
    if not valid:
        return "it is no address"
    return "" if proxy.scheme in ("http", "https") else f"a proxy of {proxy.scheme}:// is not supported"
