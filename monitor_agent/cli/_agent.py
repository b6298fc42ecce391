"""The gateway, the history and the agent that the commands make from the settings, and a cycle's report in words."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from monitor_agent.agent.cycle import Agent
from monitor_agent.agent.report import CycleReport
from monitor_agent.clock import Clock, SystemClock
from monitor_agent.es.connection import open_gateway
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.history import History
from monitor_agent.es.model_settings_store import ModelSettingsStore, read_rules
from monitor_agent.es.readiness import require_setup
from monitor_agent.es.retry import Backoff
from monitor_agent.es.rights import require_privileges
from monitor_agent.gc_tuning import rare_garbage_collection
from monitor_agent.pipeline.model_scopes import SettingsByModel
from monitor_agent.settings import Settings, require_agreement, stated_for_models
from monitor_agent.vocabulary.counted_nouns import counted


@contextlib.contextmanager
def gateway_of(
    settings: Settings,
    backoff: Backoff | None = None,
    sleep: Callable[[float], object] = time.sleep,
    stopping: Callable[[], bool] = lambda: False,
) -> Iterator[Gateway]:
    """Yield a gateway to the Elasticsearch of the settings; its connections are closed afterwards."""
    gateway = open_gateway(settings.elasticsearch, backoff, sleep, stopping)
    try:
        with rare_garbage_collection():
            yield gateway
    finally:
        gateway.close()


@contextlib.contextmanager
def prepared_gateway_of(settings: Settings, command: str, backoff: Backoff | None = None) -> Iterator[Gateway]:
    """Yield a gateway to an Elasticsearch that has the index templates; warn of indices that the agent does not see.

    Parameters
    ----------
    command : whose privileges the user must have.

    Raises
    ------
    MissingPrivilegeError
        If the user lacks a privilege.
    NotSetUpError
        If it lacks a template.
    """
    with gateway_of(settings, backoff) as gateway:
        warnings = require_setup(gateway, settings.agent.segments)
        require_privileges(gateway, command)
        for warning in warnings:
            print(f"warning: {warning}", file=sys.stderr)
        yield gateway


def require_stored_settings(args: argparse.Namespace, gateway: Gateway, settings: Settings) -> None:
    """Return if the settings of models in the cluster agree with the settings; call this before anything is written.

    Raises
    ------
    SettingsError
        If the environment or the file states another setting of models than the cluster.
    NotSetUpError
        If the cluster holds no settings of models.
    """
    tables = ModelSettingsStore(gateway).require().history.tables
    require_agreement(settings.agent, stated_for_models(args.environ, args.config), tables)


def rules_of(gateway: Gateway, settings: Settings, model: str = "") -> SettingsByModel:
    """Return which settings decide the numbers of each model; `model` is one that the user names."""
    return read_rules(gateway, settings.agent, model)


@contextlib.contextmanager
def history_of(settings: Settings, command: str, model: str = "") -> Iterator[tuple[History, SettingsByModel]]:
    """Yield the stored metrics, and which settings decided them.

    An unreachable cluster is reported soon, since a user waits for the answer.

    Parameters
    ----------
    model : a model that the user names.
    """
    with prepared_gateway_of(settings, command, Backoff(tries=2)) as gateway:
        yield History(gateway, settings.agent.page_size), rules_of(gateway, settings, model)


@contextlib.contextmanager
def agent_of(args: argparse.Namespace, settings: Settings, command: str, clock: Clock | None = None) -> Iterator[Agent]:
    """Yield the agent of the settings, if they agree with those in the cluster."""
    with prepared_gateway_of(settings, command) as gateway:
        require_stored_settings(args, gateway, settings)
        yield Agent(gateway, settings.agent, clock or SystemClock())


def report_failures(report: CycleReport) -> int:
    """Print one line on standard error for each failure; return the exit status of the command."""
    for failure in report.failures:
        print(f"error: {failure.message}", file=sys.stderr)
    return 1 if report.failures else 0


def in_words(report: CycleReport) -> str:
    """Return one line that says what a cycle or a backfill did."""
    fates = ", ".join(f"{count} {status}" for status, count in sorted(report.feedback.items())) or "none new"
    tally = report.tally
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted((report.not_counted or {}).items()))
    not_counted = f"; not counted: {reasons}" if reasons else ""
    unrestated = (
        f"; {tally.unrestated} kept by earlier settings: events of them are deleted" if tally.unrestated else ""
    )
    failed = f"; failed: {', '.join(failure.subject for failure in report.failures)}" if report.failures else ""
    return (
        f"{counted(tally.windows, 'window')} counted, {tally.merged} merged, "
        f"{counted(tally.written, 'document')} written ({tally.restated} restated){unrestated}; "
        f"feedback: {fates}{not_counted}{failed}; "
        f"{counted(report.requests, 'request')} in {report.seconds:.1f} s"
    )
