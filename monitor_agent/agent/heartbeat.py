"""The agent's sign of life while it works: its leases are renewed by a thread of its own, and left when it stops."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import structlog

from monitor_agent.errors import ElasticsearchError
from monitor_agent.es.leases import Leases

BEATS_PER_LEASE = 3


@contextlib.contextmanager
def heartbeat(leases: Leases, lease: timedelta, gained: Callable[[], None]) -> Iterator[None]:
    """Renew the leases, three times in the time that they are good for; afterwards leave them to the others.

    Parameters
    ----------
    gained : called when more is held than before, such as after another agent's death.

    Trouble with Elasticsearch is logged; the leases then run out by themselves.
    """
    stop = threading.Event()
    log = structlog.get_logger()

    def beat() -> None:
        while not stop.wait(lease.total_seconds() / BEATS_PER_LEASE):
            try:
                if leases.renew():
                    gained()
            except ElasticsearchError as error:
                log.warning("the leases could not be renewed", reason=str(error))

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        with contextlib.suppress(ElasticsearchError):
            leases.release()
