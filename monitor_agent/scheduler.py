"""When the agent runs: every period, one cycle at a time, on until it is told to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import schedule
import structlog

from monitor_agent.errors import ElasticsearchError

POLL_SECONDS = 0.2


def run(cycle: Callable[[], object], period: timedelta, stop: threading.Event) -> None:
    """Run `cycle` now and then every `period`, until `stop` is set.

    A cycle that takes longer than the period delays the next one; they never overlap. Trouble with Elasticsearch ends
    one cycle, which has left nothing half done, and the next one tries again.
    """
    log = structlog.get_logger()

    def attempt() -> None:
        try:
            cycle()
        except ElasticsearchError as error:
            log.error("the cycle failed and will be tried again", reason=str(error))

    plan = schedule.Scheduler()
    plan.every(max(1, round(period.total_seconds()))).seconds.do(attempt)
    plan.run_all()
    while not stop.is_set():
        plan.run_pending()
        stop.wait(POLL_SECONDS)
