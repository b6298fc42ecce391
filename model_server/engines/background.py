"""Long calls of a library while a version is loaded beside one that answers requests.

Such a call computes for a second without Python's lock. At a low priority it uses what the requests leave of the
processor. Only the call has the low priority, in a thread of its own: a thread that waits for the processor while it
holds Python's lock would stop all others.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

NICE = 10
"""A thread that is nicer by this gets a tenth of a core that another one wants, and all of a core that is idle."""

SWITCH_SECONDS = 0.0002
_pool: ContextVar[ThreadPoolExecutor | None] = ContextVar("background", default=None)


@contextmanager
def beside_requests() -> Iterator[None]:
    """Load a model in the block while other threads answer requests.

    They get Python's lock soon, and `run` has a low priority.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
    pool = ThreadPoolExecutor(1, "model-loading", _lower_priority)
    token = _pool.set(pool)
    try:
        yield
    finally:
        _pool.reset(token)
        pool.shutdown()
        sys.setswitchinterval(before)


def run(call: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    """Return what a call returns that needs no lock of Python; in a block of `beside_requests`, at a low priority."""
    pool = _pool.get()
    return call(*args, **kwargs) if pool is None else pool.submit(call, *args, **kwargs).result()


def _lower_priority() -> None:
    if sys.platform == "linux":  # elsewhere, threads have no priority of their own
        with contextlib.suppress(OSError):
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICE)
