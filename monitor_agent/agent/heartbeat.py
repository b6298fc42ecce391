"""The agent's sign of life while it works: a thread renews its leases, and releases them when the agent stops."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import structlog

from monitor_agent.errors import in_one_line
from monitor_agent.es.leases import Leases

BEATS_PER_LEASE = 3


@contextlib.contextmanager
def heartbeat(leases: Leases, lease: timedelta, on_gain: Callable[[], None]) -> Iterator[None]:
    """Renew the leases three times in the duration of a lease; release them afterwards.

    Parameters
    ----------
    lease : how long a lease lasts without a renewal.
    on_gain : called when the agent holds more leases than before, such as after another agent's death.

    Trouble with Elasticsearch is logged; the leases then expire by themselves.
    """
    stop = threading.Event()
    log = structlog.get_logger()

    def beat() -> None:
        while not stop.wait(lease.total_seconds() / BEATS_PER_LEASE):
            try:
                if leases.renew():
                    on_gain()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next beat must come
                log.warning("the leases could not be renewed", reason=in_one_line(error))

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        try:
            leases.release()
        except Exception as error:  # noqa: BLE001 - leases that are not released expire
            log.warning("the leases could not be released; they expire by themselves", reason=in_one_line(error))
