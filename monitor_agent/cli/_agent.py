"""What the agent's commands share: the agent made from the settings, and its report in words."""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import datetime

from monitor_agent.agent.cycle import Agent, Report
from monitor_agent.clock import Clock, SystemClock
from monitor_agent.es.gateway import Gateway, connect
from monitor_agent.es.history import History
from monitor_agent.es.retry import Backoff
from monitor_agent.gc_tuning import rare_garbage_collection
from monitor_agent.pipeline import instants
from monitor_agent.settings import Settings


@contextlib.contextmanager
def gateway_of(
    settings: Settings,
    backoff: Backoff | None = None,
    sleep: Callable[[float], object] = time.sleep,
    stopping: Callable[[], bool] = lambda: False,
) -> Iterator[Gateway]:
    """Yield the Elasticsearch of the settings; its connections are closed afterwards."""
    gateway = Gateway(connect(settings.elasticsearch), backoff, sleep, stopping)
    try:
        with rare_garbage_collection():
            yield gateway
    finally:
        gateway.close()


@contextlib.contextmanager
def history_of(settings: Settings) -> Iterator[History]:
    """Yield what is stored, for a question: somebody waits for the answer, so that trouble is told soon."""
    with gateway_of(settings, Backoff(tries=2)) as gateway:
        yield History(gateway, settings.agent.page_size)


@contextlib.contextmanager
def agent_of(settings: Settings, clock: Clock | None = None) -> Iterator[Agent]:
    """Yield the agent of the settings."""
    with gateway_of(settings) as gateway:
        yield Agent(gateway, settings.agent, clock or SystemClock())


def moment(text: str) -> datetime:
    """Return the moment that an argument tells: ISO 8601, UTC where it names no offset."""
    try:
        return instants.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 2026-11-23T10:00:00Z") from error


def in_words(report: Report) -> str:
    """Return one line that says what was done."""
    fates = ", ".join(f"{count} {status}" for status, count in sorted(report.feedback.items())) or "none new"
    tally = report.tally
    return (
        f"{tally.windows} windows counted, {tally.merged} merged, {tally.written} documents written "
        f"({tally.restated} restated); feedback: {fates}; {report.requests} requests in {report.seconds:.1f} s"
    )
