"""Who is logged in: sessions in the memory of the viewer, and how often a login may fail."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

from monitor_agent.es.gateway import Gateway

ID_BYTES = 32
IDLE_SECONDS = 8 * 3600.0
LONGEST_SECONDS = 24 * 3600.0
MOST_SESSIONS = 1000
FAILURE_SECONDS = 60.0
MOST_FAILURES = 5
"""Failed logins of one user from one address within `FAILURE_SECONDS`."""
MOST_FAILURES_OF_ADDRESS = 30
MOST_REMEMBERED = 10_000

Monotonic = Callable[[], float]


@dataclass
class Session:
    """One login.

    Attributes
    ----------
    user : the name of the user, for the page.
    gateway : searches with the user's own rights; None = with those of the viewer.
    form_token : what forms that change something must carry; empty = the session may send none.
    began, used : when it began and was used last, seconds of a clock that never goes back.
    """

    user: str
    gateway: Gateway | None
    began: float
    used: float
    form_token: str = ""


class Sessions:
    """The sessions by their ids; safe for threads. They end with the process."""

    def __init__(self, monotonic: Monotonic) -> None:
        self._monotonic = monotonic
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, user: str, gateway: Gateway | None) -> str:
        """Return the id of a new session; if there are too many, the one that was used least recently ends."""
        identifier, now = secrets.token_urlsafe(ID_BYTES), self._monotonic()
        ended = []
        with self._lock:
            while len(self._sessions) >= MOST_SESSIONS:
                ended.append(self._sessions.popitem(last=False)[1])
            self._sessions[identifier] = Session(user, gateway, now, now, secrets.token_urlsafe(ID_BYTES))
        _close(ended)
        return identifier

    def of(self, identifier: str) -> Session | None:
        """Return a session and note its use; None if there is none, or it has ended."""
        now = self._monotonic()
        with self._lock:
            session = self._sessions.get(identifier)
            if session is None:
                return None
            if now - session.used <= IDLE_SECONDS and now - session.began <= LONGEST_SECONDS:
                session.used = now
                self._sessions.move_to_end(identifier)
                return session
        self.end(identifier)
        return None

    def end(self, identifier: str) -> None:
        """End a session; an unknown id is no error."""
        with self._lock:
            session = self._sessions.pop(identifier, None)
        _close([session] if session else [])


def _close(ended: list[Session]) -> None:
    for session in ended:
        if session.gateway is not None:
            session.gateway.close()


class FailedLogins:
    """Counts failed logins, so that passwords cannot be guessed quickly; safe for threads."""

    def __init__(self, monotonic: Monotonic) -> None:
        self._monotonic = monotonic
        self._failures: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def too_many(self, address: str, user: str) -> bool:
        """Return whether a further login must wait."""
        with self._lock:
            of_user, of_address = (len(self._recent((address, name))) for name in (user, ""))
            return of_user >= MOST_FAILURES or of_address >= MOST_FAILURES_OF_ADDRESS

    def add(self, address: str, user: str) -> None:
        """Count one failed login."""
        with self._lock:
            for key in {(address, user), (address, "")}:
                self._recent(key).append(self._monotonic())
            while len(self._failures) > MOST_REMEMBERED:
                self._failures.popitem(last=False)

    def _recent(self, key: tuple[str, str]) -> deque[float]:
        times = self._failures.setdefault(key, deque(maxlen=MOST_FAILURES_OF_ADDRESS))
        self._failures.move_to_end(key)
        while times and self._monotonic() - times[0] > FAILURE_SECONDS:
            times.popleft()
        return times
