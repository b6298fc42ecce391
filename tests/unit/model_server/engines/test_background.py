"""A long call of a library leaves the processor to the requests while a version is loaded beside others."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from model_server.engines.background import NICE, beside_requests, run


def priority() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="only there, a thread has a priority of its own")
def test_only_the_call_has_a_low_priority() -> None:
    """The thread that loads has the priority of all, for it holds Python's lock; so has each call at the start."""
    usual = priority()
    at_start = run(priority)
    with beside_requests():
        in_block, of_call = priority(), run(priority)

    assert (at_start, in_block, of_call, priority()) == (usual, usual, min(usual + NICE, 19), usual)


def test_threads_that_wait_get_the_lock_soon_only_in_the_block() -> None:
    """Switches between threads cost time: the interval is as before at the end. An error of a call comes out."""
    before = sys.getswitchinterval()
    with beside_requests():
        shorter = sys.getswitchinterval()
        with pytest.raises(ZeroDivisionError):
            run(lambda: 1 // 0)

    assert shorter < before == sys.getswitchinterval()
