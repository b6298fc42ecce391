"""Child processes end with their parent, and the reason of their end is reported."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from monitor_agent.errors import StackError
from monitor_agent.stack.process import ChildProcess, Command, Supervisor
from tests.waiting import wait_until

SLEEPER = "import time; time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"
)


def make_child(folder: Path, code: str, name: str = "child", stop_seconds: float = 5.0) -> ChildProcess:
    return ChildProcess(Command(name, (sys.executable, "-c", code), folder / f"{name}.log", stop_seconds=stop_seconds))


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_child_that_ends_early_is_reported_at_once(tmp_path: Path) -> None:
    """Waiting ends with the reason of the child's end, long before the timeout."""
    child = make_child(tmp_path, "print('starting'); raise SystemExit('error: no such model')")
    child.start()
    began = time.monotonic()

    with pytest.raises(StackError, match=r"ended with exit code 1 \(error: no such model\)"):
        child.wait_ready(lambda: False, timeout=60)
    assert time.monotonic() - began < 10


def test_waiting_for_a_child_ends_after_the_timeout(tmp_path: Path) -> None:
    """The child can still be stopped."""
    child = make_child(tmp_path, SLEEPER)
    child.start()

    with pytest.raises(StackError, match="not ready after 0 s"):
        child.wait_ready(lambda: False, timeout=0.1)
    child.stop()
    assert not child.running


def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    """It is killed when its time for stopping is over."""
    child = make_child(tmp_path, STUBBORN, stop_seconds=0.2)
    child.start()
    child.wait_ready(lambda: "ready" in (tmp_path / "child.log").read_text(), timeout=10)

    child.stop()

    assert not child.running


def test_the_children_of_a_child_end_with_it(tmp_path: Path) -> None:
    """Stopping a child stops its own children."""
    starter = (
        "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {!r}]); print(p.pid, flush=True); p.wait()"
    )
    child = make_child(tmp_path, starter.format(STUBBORN))
    child.start()
    log = tmp_path / "child.log"
    child.wait_ready(lambda: "ready" in log.read_text(), timeout=10)
    grandchild = next(int(line) for line in log.read_text().splitlines() if line.isdigit())

    child.stop()

    wait_until(lambda: not is_alive(grandchild))


def test_a_missing_program_is_one_line(tmp_path: Path) -> None:
    """A missing program is a StackError that names it."""
    child = ChildProcess(Command("child", ("/no/such/program",), tmp_path / "child.log"))

    with pytest.raises(StackError, match=r"child cannot be started .*/no/such/program"):
        child.start()


def test_components_stop_in_reverse_order(tmp_path: Path) -> None:
    """The last one started is stopped first, and all are stopped after any exception."""
    lines: list[str] = []
    children = [make_child(tmp_path, SLEEPER, name) for name in ("first", "second")]

    def fail_inside() -> None:
        with Supervisor(lines.append) as supervisor:
            for child in children:
                supervisor.start(child)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_inside()

    assert lines == ["stopping second", "stopping first"]
    assert not any(child.running for child in children)


def test_a_released_component_may_end(tmp_path: Path) -> None:
    """The check passes without it; a released component that still runs is stopped."""
    done, runs, other = (make_child(tmp_path, code, name) for code, name in (("", "a"), (SLEEPER, "b"), (SLEEPER, "c")))
    with Supervisor() as supervisor:
        for child in (done, runs, other):
            supervisor.start(child)
        supervisor.release(done)
        supervisor.release(runs)

        supervisor.check()
        assert not runs.running
        assert other.running


def test_the_end_of_a_component_is_reported(tmp_path: Path) -> None:
    """Watching ends with the exit code of the component that ended by itself; the last line may be about anything."""
    with Supervisor() as supervisor:
        supervisor.start(make_child(tmp_path, "raise SystemExit('fatal: disk full')"))

        with pytest.raises(StackError, match=r"^child ended with exit code 1: see .*child\.log$"):
            supervisor.watch(period_seconds=0.02)


def keep_running(report: Callable[[str], None], *children: ChildProcess) -> None:
    """Supervise children until a signal arrives."""
    with Supervisor(report) as supervisor:
        for child in children:
            supervisor.start(child)
        supervisor.keep_running(period_seconds=0.02)


def test_a_component_that_ends_is_started_again(tmp_path: Path) -> None:
    """With a warning that names the signal or the exit code; a signal during the pause ends everything at once."""
    lines: list[str] = []
    starts = tmp_path / "starts"
    # It ends by SIGKILL at its first start, with an exit code at the second one, and stays at the third one.
    code = f"""
import os, signal, time
with open({str(starts)!r}, "a") as stream:
    stream.write("start\\n")
count = len(open({str(starts)!r}).readlines())
if count == 1:
    os.kill(os.getpid(), signal.SIGKILL)
if count == 2:
    raise SystemExit(3)
if count == 3:
    os.kill(os.getppid(), signal.SIGTERM)
time.sleep(600)
"""
    child, other = make_child(tmp_path, code), make_child(tmp_path, SLEEPER, "other")
    with pytest.raises(KeyboardInterrupt):
        keep_running(lines.append, other, child)

    log = tmp_path / "child.log"
    assert lines == [
        f"warning: child ended by SIGKILL: starting it again in 1 s; see {log}",
        "starting child again",
        f"warning: child ended with exit code 3: starting it again in 2 s; see {log}",
        "starting child again",
        "stopping child",
        "stopping other",
    ]
    assert not child.running
    assert not other.running


def test_a_component_that_cannot_start_ends_everything(tmp_path: Path) -> None:
    """Its first start ended with an error: one line says which."""
    command = Command(
        "child", (sys.executable, "-c", "raise SystemExit('error: no such file')"), tmp_path / "child.log"
    )
    child = ChildProcess(replace(command, reason_pattern="^error: (.+)"))
    with pytest.raises(StackError, match=r"^child cannot start: it ended with exit code 1 \(no such file\): see "):
        keep_running(lambda _line: None, child)


def test_ctrl_c_during_a_pause_ends_everything_at_once(tmp_path: Path) -> None:
    """The component that waits for its next start is not started any more."""
    child = make_child(tmp_path, "import os; os.kill(os.getpid(), 9)")

    def interrupt(line: str) -> None:
        if "in 2 s" in line:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        keep_running(interrupt, child)

    assert not child.running


SUPERVISED = """
import sys
from pathlib import Path
from monitor_agent.stack.process import ChildProcess, Command, Supervisor

folder = Path(sys.argv[1])
try:
    with Supervisor(lambda line: print(line, flush=True)) as supervisor:
        argv = (sys.executable, "-c", sys.argv[2])
        child = ChildProcess(Command("child", argv, folder / "child.log", stop_seconds=1))
        supervisor.start(child)
        child.wait_ready(lambda: (folder / "child.log").stat().st_size > 0, 20)
        print("pid", child.pid, flush=True)
        supervisor.watch()
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def start_supervised(folder: Path, code: str) -> tuple[subprocess.Popen[str], int]:
    """Return a process that supervises a child running `code`, and the child's process id."""
    parent = subprocess.Popen([sys.executable, "-c", SUPERVISED, str(folder), code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    return parent, int(parent.stdout.readline().split()[1])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_exactly_once(tmp_path: Path, number: signal.Signals) -> None:
    """The first signal stops the children once, without a traceback; later signals are ignored."""
    parent, child = start_supervised(tmp_path, STUBBORN)
    assert parent.stdout is not None
    os.kill(parent.pid, number)
    stopping = parent.stdout.readline()
    for _ in range(5):
        os.kill(parent.pid, number)

    output, _ = parent.communicate(timeout=20)

    assert (stopping, output) == ("stopping child\n", "interrupted\n")
    assert parent.returncode == 0
    assert not is_alive(child)


FORKED_ON = """
import os, signal, sys
from pathlib import Path
from monitor_agent.stack.process import ChildProcess, Command, Supervisor

os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), signal.SIGINT))
child = ChildProcess(Command("child", (sys.executable, "-c", sys.argv[2]), Path(sys.argv[1]), stop_seconds=1))
try:
    with Supervisor() as supervisor:
        supervisor.start(child)
        print("started")
except KeyboardInterrupt:
    print("interrupted, running:", child.running)
"""


def test_a_signal_that_comes_while_python_forks_is_not_lost(tmp_path: Path) -> None:
    """Python drops exceptions of a fork; the signal counts once the child exists, and stops it."""
    argv = [sys.executable, "-c", FORKED_ON, str(tmp_path / "child.log"), SLEEPER]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)

    assert (done.stdout, done.stderr) == ("interrupted, running: False\n", "")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends children with their parent")
def test_a_killed_parent_leaves_no_child_behind(tmp_path: Path) -> None:
    """Even if the parent is killed, the kernel ends its children."""
    parent, child = start_supervised(tmp_path, f"print('up', flush=True); {SLEEPER}")
    assert is_alive(child)

    parent.kill()
    parent.communicate(timeout=10)

    wait_until(lambda: not is_alive(child))
