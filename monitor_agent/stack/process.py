"""Child processes that end with their parent: started, watched, made ready and stopped in one place.

A child gets its own session, so that Ctrl-C reaches the parent alone, which then stops its children in order. On
Linux, the kernel also ends a child when its parent is gone, however the parent ended.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType, TracebackType
from typing import BinaryIO, Protocol

from monitor_agent.errors import StackError
from monitor_agent.files import private_folder, private_opener
from monitor_agent.settings import environment_without_secrets
from monitor_agent.stack.account import Account
from monitor_agent.stack.process_end import how_it_ended, reason_line
from monitor_agent.stack.restarts import Restarts

POLL_SECONDS = 0.05
STOP_SECONDS = 20.0
KILL_SECONDS = 5.0
LOG_ROTATE_BYTES = 32 * 1024 * 1024
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Command:
    """A program to run, and how.

    Attributes
    ----------
    name : the component's name, used in messages and for its log file.
    argv : program and arguments.
    log_path : file that standard output and error are appended to.
    environ : the whole environment; None = the parent's, without the secrets of the settings.
    cwd : working directory; None = the parent's.
    account : the account to run as; None = the parent's.
    stop_seconds : how long the process may take to end after SIGTERM before it is killed.
    descriptors : open files that the process inherits under the same numbers.
    reason_pattern : regular expression of the line that the program logs when it fails; its group 1 is the reason.
    """

    name: str
    argv: Sequence[str]
    log_path: Path
    environ: Mapping[str, str] | None = None
    cwd: Path | None = None
    account: Account | None = None
    stop_seconds: float = STOP_SECONDS
    descriptors: Sequence[int] = ()
    reason_pattern: str = ""


class Component(Protocol):
    """Anything that a supervisor starts and stops: a process, or a server made of one."""

    @property
    def name(self) -> str:
        """Return the name used in messages."""

    @property
    def running(self) -> bool:
        """Return whether it is running."""

    def start(self) -> None:
        """Start it; return without waiting until it is ready."""

    @property
    def was_ready(self) -> bool:
        """Return whether it has been ready for work since it was made."""

    def stop(self) -> None:
        """Stop it; do nothing when it is not running."""

    def exit_code(self) -> int | None:
        """Return the exit status of the process that ended, negative for a signal; None while it runs."""

    def end_in_words(self) -> str:
        """Return how it ended, such as `ended by SIGKILL`, and the reason if it has stated one."""

    def see_log(self) -> str:
        """Return where its log is."""


class ChildProcess:
    """One child process: its start, its readiness and its end."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._log_offset = 0
        self.was_ready = False

    @property
    def name(self) -> str:
        """Return the name used in messages."""
        return self.command.name

    @property
    def pid(self) -> int | None:
        """Return the process id; None before the start."""
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        """Return whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process.

        Call this in the main thread: the kernel ends the child when the *thread* that started it ends.

        Raises
        ------
        StackError
            If the process cannot be started.
        """
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError(f"{self.name} must be started in the main thread")
        if self.running:
            raise StackError(f"{self.name} is already running (process {self.pid})")
        command = self.command
        account = command.account
        try:
            with _open_log(command.log_path) as log, _signals_delayed():
                self._log_offset = log.tell()
                self._process = subprocess.Popen(
                    list(command.argv),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=_environ_of(command),
                    cwd=command.cwd,
                    start_new_session=True,
                    preexec_fn=_follow_parent(),
                    pass_fds=command.descriptors,
                    umask=0o077,
                    user=account.uid if account else None,
                    group=account.gid if account else None,
                    extra_groups=[] if account else None,
                )
        except OSError as error:
            raise StackError(f"{self.name} cannot be started ({error.strerror}: {error.filename})") from error

    def set_environ(self, name: str, value: str) -> None:
        """Set a variable of the environment of later starts."""
        self.command = replace(self.command, environ={**_environ_of(self.command), name: value})

    def wait_ready(self, check: Callable[[], bool], timeout: float) -> None:
        """Return as soon as `check()` is true.

        Raises
        ------
        StackError
            If the process ends first (the message names the reason), or after `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while not check():
            if not self.running:
                # At a start, the log says why; later, its last line may be about anything.
                raise StackError(f"{self.name} {how_it_ended(self.exit_code(), self.end_reason())}", self.see_log())
            if time.monotonic() > deadline:
                raise StackError(
                    f"{self.name} was not ready after {timeout:.0f} s ({self.end_reason()})", self.see_log()
                )
            time.sleep(POLL_SECONDS)
        self.was_ready = True

    def stop(self) -> None:
        """Terminate the process, kill it if it does not end in time, and kill the rest of its session."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(self.command.stop_seconds)
        _kill_group(process.pid)
        process.wait(KILL_SECONDS)

    def kill(self) -> None:
        """Kill the process and its children at once, as a crash would."""
        if self._process is not None:
            _kill_group(self._process.pid)
            self._process.wait(KILL_SECONDS)

    def exit_code(self) -> int | None:
        """Return the exit status, negative for a signal; None before the end."""
        return self._process.poll() if self._process else None

    def end_in_words(self) -> str:
        """Return how it ended, and the reason if it has logged one as its command does."""
        stated = reason_line(self.command.log_path, self._log_offset, self.command.reason_pattern, stated_only=True)
        return how_it_ended(self.exit_code(), stated)

    def end_reason(self) -> str:
        """Return the line of this run's log that best names the reason of its end."""
        return reason_line(self.command.log_path, self._log_offset, self.command.reason_pattern)

    def see_log(self) -> str:
        """Return where its log is."""
        return f"see {self.command.log_path}"


@dataclass
class Supervisor:
    """Starts components in order and stops them in the reverse order, exactly once, however the block is left.

    Inside the `with` block the first Ctrl-C, SIGTERM or SIGHUP raises KeyboardInterrupt; later ones are ignored, so
    that nothing interrupts the stopping.

    >>> with Supervisor() as supervisor:  # doctest: +SKIP
    ...     supervisor.start(elasticsearch)
    ...     supervisor.start(ChildProcess(Command("model-server", argv, log_path)))
    ...     supervisor.watch()
    """

    report: Callable[[str], None] = lambda _line: None
    _components: list[Component] = field(default_factory=list)
    _restarts: dict[int, Restarts] = field(default_factory=dict)
    _previous: dict[signal.Signals, signal._HANDLER] = field(default_factory=dict)
    _stopping: bool = False

    def __enter__(self) -> Supervisor:
        """Take over the signals."""
        for number in STOP_SIGNALS:
            self._previous[number] = signal.signal(number, self._interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop all components and give the signals back."""
        try:
            self.stop()
        finally:
            for number, handler in self._previous.items():
                signal.signal(number, handler)

    def start(self, component: Component) -> None:
        """Start `component`; it is stopped with the others."""
        self._components.append(component)
        component.start()
        self._restarts[id(component)] = Restarts(time.monotonic())

    def release(self, component: Component) -> None:
        """Stop `component` ahead of the others, such as a process that has done its work."""
        self._components.remove(component)
        component.stop()

    def stop(self) -> None:
        """Stop all components, the last one first; one that cannot be stopped does not keep the others running."""
        self._stopping = True
        failures: list[StackError] = []
        while self._components:
            component = self._components.pop()
            if component.running:
                self.report(f"stopping {component.name}")
            try:
                component.stop()
            except (StackError, OSError, subprocess.TimeoutExpired) as error:
                failures.append(StackError(f"{component.name} could not be stopped ({error})"))
        if failures:
            raise failures[0]

    def check(self) -> None:
        """Return if every component runs.

        Raises
        ------
        StackError
            If a component has ended by itself; the message names the signal or the exit code.
        """
        for component in self._components:
            if not component.running:
                raise StackError(f"{component.name} {component.end_in_words()}", component.see_log())

    def watch(self, period_seconds: float = 0.5) -> None:
        """Block until a component ends by itself or a signal arrives.

        Raises
        ------
        StackError
            If a component has ended by itself.
        KeyboardInterrupt
            If a signal has arrived.
        """
        while True:
            self.check()
            time.sleep(period_seconds)

    def keep_running(self, period_seconds: float = 0.5) -> None:
        """Block until a signal arrives; start components that end again, with growing pauses.

        Raises
        ------
        StackError
            If a component cannot start at all: it ended with an error at its first start.
        KeyboardInterrupt
            If a signal has arrived.
        """
        while True:
            for component in list(self._components):
                self._tend(component, self._restarts[id(component)])
            time.sleep(period_seconds)

    def _tend(self, component: Component, restarts: Restarts) -> None:
        """Start a component that has ended again, once its pause is over."""
        now = time.monotonic()
        if restarts.due_at is None:
            if component.running:
                return
            if not component.was_ready and restarts.cannot_start(component.exit_code(), now):
                raise StackError(f"{component.name} cannot start: it {component.end_in_words()}", component.see_log())
            self._postpone(component, restarts, component.end_in_words())
        elif now >= restarts.due_at:
            self.report(f"starting {component.name} again")
            try:
                component.stop()  # what is left of it, such as the processes that it has started
                component.start()
            except (StackError, OSError, subprocess.TimeoutExpired) as error:
                self._postpone(component, restarts, f"could not be started again ({error})")
            else:
                restarts.started(time.monotonic())

    def _postpone(self, component: Component, restarts: Restarts, trouble: str) -> None:
        pause = restarts.postpone(time.monotonic())
        self.report(f"warning: {component.name} {trouble}: starting it again in {pause:g} s; {component.see_log()}")

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        if not self._stopping:
            self._stopping = True
            raise KeyboardInterrupt


def _environ_of(command: Command) -> dict[str, str]:
    return environment_without_secrets(os.environ) if command.environ is None else dict(command.environ)


@contextlib.contextmanager
def _open_log(path: Path) -> Iterator[BinaryIO]:
    private_folder(path.parent)
    if path.exists() and path.stat().st_size > LOG_ROTATE_BYTES:
        path.replace(path.with_name(path.name + ".1"))
    with open(path, "ab", opener=private_opener) as stream:
        yield stream


@contextlib.contextmanager
def _signals_delayed() -> Iterator[None]:
    """Deliver the stop signals after the block: Python drops the exceptions of their handlers while it forks."""
    arrived: list[int] = []
    previous = {number: signal.signal(number, lambda caught, _frame: arrived.append(caught)) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        for caught in arrived:
            signal.raise_signal(caught)


def _follow_parent() -> Callable[[], None] | None:
    """Return a function that the child runs first, so that it ends with its parent; None if this is not Linux."""
    if not sys.platform.startswith("linux"):
        return None
    # Everything is looked up before the fork: a child of a threaded process must not wait for a lock held by a thread.
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    getppid, leave, parent = os.getppid, os._exit, os.getpid()

    def follow() -> None:
        # Runs after the account was changed, which would have cleared the setting.
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        if getppid() != parent:  # the parent ended before the setting took hold
            leave(1)

    return follow


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
