"""All checks of `monitor-agent check`, one after the other; each reads only."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

from monitor_agent import log
from monitor_agent.alerting.definitions import load_alerts
from monitor_agent.contracts.deadletter import DEADLETTERS
from monitor_agent.contracts.role_names import (
    ANALYST,
    DEADLETTER_READER,
    MONITOR_AGENT,
    MONITOR_SETUP,
    PIPELINE_WRITER,
)
from monitor_agent.contracts.roles import ROLES
from monitor_agent.diagnosis import (
    alert_windows,
    cluster,
    folders,
    local_pipeline,
    machine,
    notifications,
    product_copies,
    servers,
    serving,
    setting_checks,
    tls,
    web,
)
from monitor_agent.diagnosis.check_result import FAILED, OK, SKIPPED, WARNING, CheckResult
from monitor_agent.errors import ElasticsearchError, MonitorError, in_one_line
from monitor_agent.es.client_names import ClientNames, client_names
from monitor_agent.es.cluster_facts import ClusterFacts, missing_privileges, read_cluster
from monitor_agent.es.connection import open_gateway
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.model_settings_store import ModelSettingsStore
from monitor_agent.es.obstacles import outdated_templates, read_states, stronger_templates
from monitor_agent.es.readiness import index_templates, missing_templates
from monitor_agent.es.responses import UNAUTHORIZED, status_of
from monitor_agent.es.retry import Backoff
from monitor_agent.es.rights import may_set_up, roles_of
from monitor_agent.files import is_locked
from monitor_agent.logstash.delivery.letter_files import (
    FOLDER_NAME,
    INDEXED,
    REPLAYED,
    key_of,
    read_letters,
    read_notes,
)
from monitor_agent.logstash.statistics import read_statistics
from monitor_agent.settings import (
    AgentSettings,
    ElasticsearchSettings,
    NotifyTables,
    Settings,
    require_agreement,
    secret_values,
    settings_for,
)
from monitor_agent.settings.model_tables import Table
from monitor_agent.stack.read_access import running_access

TIMEOUT = timedelta(seconds=5)
"""The longest wait for an answer of Elasticsearch."""
LOCK = "lock"
START = "start it (`monitor-agent up` or `monitor-agent stack up`), or set ELASTICSEARCH_URL"
OF_MODELS, ALERT_WINDOWS = "settings of models", "windows of alerts"
NO_ANSWER = "not checked: see the row Elasticsearch"
NEEDING_ELASTICSEARCH = (
    *("version of Elasticsearch", "clock", "disks of Elasticsearch", "user of the agent", "user of the pipeline"),
    *("index templates", "indices", OF_MODELS),
)

Check = Callable[[], Iterable[CheckResult]]


def diagnose(
    settings: Settings,
    environ: Mapping[str, str],
    places: Table,
    tables: NotifyTables | None = None,
    mapped: Sequence[str] = (),
) -> list[CheckResult]:
    """Return the results of all checks, without secrets; a check that cannot be made is itself a result.

    Parameters
    ----------
    settings : even if they contradict each other.
    environ : the environment.
    places : where settings of models are stated, from `stated_for_models`.
    tables : the channels of notifications with names, and the routes to them.
    mapped : labels and features that receivers and imports fill, from `read_mapped_fields`.
    """
    configured = settings
    try:
        settings = running_access(configured)
        results: list[CheckResult] = []
    except MonitorError as error:
        results = [CheckResult("passwords", FAILED, error.message, error.hint)]
    checks: dict[str, Check] = {
        "Python": lambda: [machine.check_packages(machine.stated_requirements())],
        "extras": machine.check_extras,
        "Java": lambda: [machine.check_java(settings, environ)],
        "ports": lambda: machine.check_ports(settings),
        "servers": lambda: servers.check_servers(settings),
        serving.LIMITS: lambda: [serving.check_limits(settings.server)],
        serving.MODEL: lambda: [serving.check_model(settings.server)],
        serving.KEYS: lambda: [serving.check_keys(settings.server)],
        folders.CHECK: lambda: folders.check_folders(settings),
        product_copies.CHECK: lambda: product_copies.check_copies(settings, Path.cwd()),
        "disk space": lambda: machine.check_disks(settings),
        "fonts for CJK": lambda: [machine.check_fonts(machine.japanese_fonts())],
        setting_checks.SETTINGS: lambda: setting_checks.check_settings(settings, environ),
        "TLS": lambda: [tls.check_tls(settings.elasticsearch, url, _now()) for url in settings.elasticsearch.url],
        notifications.CHECK: lambda: [notifications.check_notifications(settings.notify, tables or NotifyTables())],
        web.KIBANA: lambda: [web.check_kibana(settings.kibana)],
        web.PROXIES: lambda: web.check_proxies(environ),
        "pipeline": lambda: [_pipeline(Path(settings.pipeline.data_dir))],
    }
    for name, check in checks.items():
        results += _safely(name, check)
    results += _cluster(settings, places, mapped)
    if settings is configured:  # the embedded Elasticsearch has passwords of its own
        results += _safely("users", lambda: _named_users(settings))
    log.hide({*secret_values(settings), *secret_values(configured)})
    return [
        dataclasses.replace(result, finding=log.masked(result.finding), remedy=log.masked(result.remedy))
        for result in results
    ]


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _safely(name: str, check: Check) -> list[CheckResult]:
    """Return the results of a check, or one that says why it cannot be made."""
    try:
        return list(check())
    except MonitorError as error:
        return [CheckResult(name, FAILED, error.message, error.hint)]
    except OSError as error:
        remedy = "correct the path or its permissions" if error.filename else ""
        return [CheckResult(name, WARNING, f"it cannot be checked ({in_one_line(error)})", remedy)]
    except Exception as error:  # noqa: BLE001 - no defect of a check hides the other rows
        remedy = f"this is a defect of the check {name}; the other rows hold all the same"
        return [CheckResult(name, WARNING, f"it cannot be checked ({in_one_line(error)})", remedy)]


def _pipeline(folder: Path) -> CheckResult:
    try:
        statistics = read_statistics(folder) if (folder / "statistics.json").exists() else None
    except MonitorError as error:
        return CheckResult("pipeline", FAILED, error.message, error.hint)
    return local_pipeline.check_pipeline(statistics, runs=is_locked(folder / LOCK), folder=str(folder))


def _cluster(settings: Settings, places: Table, mapped: Sequence[str]) -> list[CheckResult]:
    """Return the results of the checks that ask Elasticsearch: each of its addresses, then the first that answers."""
    results: list[CheckResult] = []
    answers: list[tuple[ElasticsearchSettings, ClusterFacts]] = []
    for url in settings.elasticsearch.url:
        address = dataclasses.replace(settings.elasticsearch, url=(url,), request_timeout=TIMEOUT)
        result, facts = _reach(address, url)
        results.append(result)
        if facts is not None:
            answers.append((address, facts))
    if not answers:
        results += _safely(ALERT_WINDOWS, lambda: _alert_windows(settings, [settings.agent]))
        results += [CheckResult(name, SKIPPED, NO_ANSWER) for name in NEEDING_ELASTICSEARCH]
        return [*results, *_safely("dead letters", lambda: [_dead_letters(settings, None)])]
    address, facts = answers[0]
    with closing(_gateway(address)) as gateway:
        results += _of_models(gateway, settings, places)
        results += _of_gateway(gateway, facts, settings, client_names(settings.agent, settings.server, mapped))
        results += _safely("dead letters", lambda: [_dead_letters(settings, _indexed_letters(gateway))])
    return results


def _of_models(gateway: Gateway, settings: Settings, places: Table) -> list[CheckResult]:
    """Return whether the settings agree with those of models in the cluster, and whether alerts fit these."""
    try:
        tables = ModelSettingsStore(gateway).read(with_state=False).history.tables
        if tables:
            require_agreement(settings.agent, places, tables)
        result = (
            CheckResult(OF_MODELS, OK, f"{len(tables)} tables in the cluster; the environment says nothing else")
            if tables
            else CheckResult(OF_MODELS, WARNING, "the cluster holds none", "run `monitor-agent setup`")
        )
    except MonitorError as error:
        return [CheckResult(OF_MODELS, FAILED, error.message, error.hint)]
    groups = [settings_for(tables, settings.agent, name) for name in tables] or [settings.agent]
    return [result, *_safely(ALERT_WINDOWS, lambda: _alert_windows(settings, groups))]


def _alert_windows(settings: Settings, groups: Sequence[AgentSettings]) -> list[CheckResult]:
    alerts = load_alerts(settings.agent.alerts)
    return list(dict.fromkeys(row for group in groups for row in alert_windows.check_windows(alerts, group)))


def _dead_letters(settings: Settings, indexed: int | None) -> CheckResult:
    return local_pipeline.check_dead_letters(indexed, _local_letters(Path(settings.pipeline.data_dir) / FOLDER_NAME))


def _gateway(settings: ElasticsearchSettings) -> Gateway:
    return open_gateway(settings, Backoff(tries=1))


def _reach(settings: ElasticsearchSettings, url: str) -> tuple[CheckResult, ClusterFacts | None]:
    """Return whether Elasticsearch answers at an address and accepts the user, and what it says about itself."""
    try:
        with closing(_gateway(settings)) as gateway:
            facts = read_cluster(gateway)
    except MonitorError as error:
        reason, stopped = cluster.why_no_answer(error.message)
        return CheckResult("Elasticsearch", FAILED, f"{url}: {reason}", START if stopped else error.hint), None
    return cluster.check_health(facts, url), facts


def _of_gateway(gateway: Gateway, facts: ClusterFacts, settings: Settings, names: ClientNames) -> list[CheckResult]:
    checks: dict[str, Check] = {
        "version of Elasticsearch": lambda: [cluster.check_version(facts)],
        "clock": lambda: [cluster.check_clock(facts, settings.agent.clock_skew)],
        "disks of Elasticsearch": lambda: [cluster.check_watermarks(facts)],
        "user of the agent": lambda: [
            cluster.check_agent_user(missing_privileges(gateway, ROLES[MONITOR_AGENT]), roles_of(gateway))
        ],
        "user of the pipeline": lambda: [_pipeline_user(settings)],
        "index templates": lambda: _templates(gateway, names),
        "indices": lambda: cluster.check_indices(read_states(gateway, names)),
    }
    results = [result for name, check in checks.items() for result in _safely(name, check)]
    try:
        return results if may_set_up(gateway) else cluster.with_setup_users(results)
    except ElasticsearchError:  # a row tells it
        return results


def _named_users(settings: Settings) -> list[CheckResult]:
    """Return whether each user of `monitor-agent stack users` that has a password in the settings has its role."""
    stack, reached = settings.stack, settings.elasticsearch
    passwords = {
        MONITOR_AGENT: ("STACK_AGENT_PASSWORD", stack.agent_password),
        MONITOR_SETUP: ("STACK_SETUP_PASSWORD", stack.setup_password),
        ANALYST: ("STACK_ANALYST_PASSWORD", stack.analyst_password),
        DEADLETTER_READER: ("STACK_DEADLETTER_READER_PASSWORD", stack.deadletter_reader_password),
    }
    return [
        _user(
            f"user {role}",
            role,
            dataclasses.replace(reached, username=role, password=password, api_key=""),
            f"check {variable}; `monitor-agent stack users` as a superuser sets it",
        )
        for role, (variable, password) in passwords.items()
        if password
    ]


def _pipeline_user(settings: Settings) -> CheckResult:
    """Return whether the user of the pipeline may write events; it is the user that the address names, if it does."""
    check, hint = "user of the pipeline", ""
    pipeline, user = settings.pipeline, settings.elasticsearch
    if pipeline.password or pipeline.api_key:
        hint = "check PIPELINE_API_KEY" if pipeline.api_key else "check PIPELINE_USERNAME and PIPELINE_PASSWORD"
        name = pipeline.username or ("" if pipeline.api_key else PIPELINE_WRITER)
        user = dataclasses.replace(user, username=name, password=pipeline.password, api_key=pipeline.api_key)
    elif (user.username or user.api_key) and not user.url_names_user:
        return CheckResult(check, SKIPPED, "the settings have no password of this user (PIPELINE_PASSWORD)")
    return _user(check, PIPELINE_WRITER, user, hint)


def _user(check: str, role: str, user: ElasticsearchSettings, hint: str) -> CheckResult:
    """Return whether a user has the privileges of a role.

    Parameters
    ----------
    hint : what to do if the password is wrong; "" = as for the user of the agent.
    """
    try:
        with closing(_gateway(dataclasses.replace(user, request_timeout=TIMEOUT))) as gateway:
            answer = missing_privileges(gateway, ROLES[role])
    except ElasticsearchError as error:
        return CheckResult(
            check, FAILED, error.message, hint if hint and status_of(error) == UNAUTHORIZED else error.hint
        )
    return cluster.check_privileges(check, role, answer)


def _templates(gateway: Gateway, names: ClientNames) -> list[CheckResult]:
    templates = index_templates(gateway)
    return cluster.check_templates(
        missing_templates(templates), outdated_templates(templates, names), stronger_templates(templates, _now())
    )


def _indexed_letters(gateway: Gateway) -> int:
    response = gateway.search(DEADLETTERS.pattern, {"size": 0, "track_total_hits": True})
    return int(response["hits"]["total"]["value"])


def _local_letters(folder: Path) -> int:
    """Return how many dead letters wait on this machine: neither in Elasticsearch nor sent again."""
    letters = {key_of(letter.id, letter.document) for letter in read_letters(folder)}
    return len(letters - read_notes(folder, INDEXED) - read_notes(folder, REPLAYED))
