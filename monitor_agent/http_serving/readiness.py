"""Asks the system which connections can be read or written, and lets them do it.

The list of what is asked for is kept: only connections that may have changed are looked at again, so thousands of
open connections cost nothing while they wait.
"""

from __future__ import annotations

import contextlib
import select
from typing import Any

from waitress.wasyncore import readwrite

READ = select.POLLIN | select.POLLPRI
WRITE = select.POLLOUT
_HAS_EPOLL = hasattr(select, "epoll")


class Readiness:
    """The connections of a server, and what is asked of the system about each; for the thread of the loop.

    Parameters
    ----------
    channels : the connections by their file descriptors: waitress's map.
    """

    def __init__(self, channels: dict[int, Any]) -> None:
        self._channels = channels
        self._poller: Any = select.epoll() if _HAS_EPOLL else select.poll()
        self._interests: dict[int, int] = {}
        self._changed: set[int] = set()
        self._all_changed = True

    def look_at(self, descriptor: int) -> None:
        """Ask again what a connection waits for; any thread may call this."""
        self._changed.add(descriptor)

    def look_at_all(self) -> None:
        """Ask again what all connections wait for; any thread may call this."""
        self._all_changed = True

    def forget(self, descriptor: int) -> None:
        """Ask no longer about a connection; call this before it is closed."""
        self._changed.discard(descriptor)
        if self._interests.pop(descriptor, 0):
            with contextlib.suppress(OSError, ValueError, KeyError):
                self._poller.unregister(descriptor)

    def wait(self, seconds: float) -> None:
        """Let the connections that are ready read or write; wait for the first one for this time at most."""
        self._update_changed()
        for descriptor, happened in self._poller.poll(seconds if _HAS_EPOLL else int(seconds * 1000)):
            channel = self._channels.get(descriptor)
            if channel is None:
                continue
            events = _events_of(channel)
            if not events:  # it works on a request: what the client sends meanwhile waits
                self.forget(descriptor)
                continue
            self._changed.add(descriptor)
            readwrite(channel, happened & (events | ~(READ | WRITE)))

    def close(self) -> None:
        """Close what was opened."""
        if _HAS_EPOLL:
            self._poller.close()

    def _update_changed(self) -> None:
        if self._all_changed:
            self._all_changed = False
            descriptors = list(self._channels)
        else:
            descriptors = []
            with contextlib.suppress(KeyError):
                while True:
                    descriptors.append(self._changed.pop())
        for descriptor in descriptors:
            channel = self._channels.get(descriptor)
            if channel is not None:
                self._request(descriptor, _events_of(channel))

    def _request(self, descriptor: int, events: int) -> None:
        """Ask for events. A connection that wants none stays as it is until one comes: most will want the same."""
        interest = self._interests.get(descriptor, 0)
        if not events or events == interest:
            return
        with contextlib.suppress(OSError, ValueError):  # another thread has just closed it
            if interest:
                self._poller.modify(descriptor, events)
            else:
                self._poller.register(descriptor, events)
            self._interests[descriptor] = events


def _events_of(channel: Any) -> int:
    """Return the events that a connection waits for now."""
    return (READ if channel.readable() else 0) | (WRITE if channel.writable() and not channel.accepting else 0)
