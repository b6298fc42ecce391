"""Whether Kibana answers, and what proxies the environment names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta

from monitor_agent.diagnosis.check_result import FAILED, OK, SKIPPED, CheckResult
from monitor_agent.errors import KibanaError
from monitor_agent.http_client.proxies import VARIABLES, EnvironmentProxy, problem_of_proxy
from monitor_agent.kibana.api import Kibana
from monitor_agent.settings import KibanaSettings

KIBANA, PROXIES = "Kibana", "proxies"
TIMEOUT = timedelta(seconds=5)


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
    proxies = [EnvironmentProxy(name, value) for name, value in values.items() if value]
    wrong = {proxy: problem for proxy in proxies if (problem := problem_of_proxy(proxy.address))}
    for proxy, problem in wrong.items():
        yield CheckResult(PROXIES, FAILED, f"{proxy}: {problem}", "write http://host:port, or unset it")
    if not proxies:
        yield CheckResult(PROXIES, SKIPPED, "the environment names none")
    elif not wrong:
        names = ", ".join(map(str, proxies))
        text = f"{names}: for Elasticsearch, Kibana and downloads, except for this machine and what NO_PROXY names"
        yield CheckResult(PROXIES, OK, text)
