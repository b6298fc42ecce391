"""The stack on this machine, without containers: Elasticsearch in a data folder, in the foreground or detached."""

from __future__ import annotations

import dataclasses
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from monitor_agent.errors import StackError
from monitor_agent.files import private_folder, private_opener
from monitor_agent.settings import StackSettings, environment_of, environment_without_secrets
from monitor_agent.stack.embedded import users
from monitor_agent.stack.embedded.configuration import options_from
from monitor_agent.stack.embedded.elasticsearch import EmbeddedElasticsearch
from monitor_agent.stack.instance import Instance, running_instance, stop_instance
from monitor_agent.stack.log_files import print_logs
from monitor_agent.stack.process import Supervisor
from monitor_agent.stack.process_end import reason_line
from monitor_agent.stack.provider import ComponentStatus
from monitor_agent.stack.rest_call import Login, cluster_status

POLL_SECONDS = 0.1
STOP_SECONDS = 60.0
# A detached start may have to fetch the server first.
DETACHED_SECONDS = 900.0


class EmbeddedProvider:
    """Elasticsearch as a child of this process, or of a process in the background."""

    def __init__(self, settings: StackSettings, report: Callable[[str], None]) -> None:
        self._settings = settings
        self._data_dir = Path(settings.data_dir).absolute()
        self._report = report
        self._show_passwords = False

    def up(self, *, detach: bool, show_passwords: bool = False) -> None:
        """Start Elasticsearch; adopt the one that runs on the data folder already."""
        self._show_passwords = show_passwords
        instance = running_instance(self._data_dir)
        if instance is not None:
            self._report(f"already running (process {instance.pid}){': ' if instance.url else ''}{instance.url}")
            if show_passwords and instance.url:
                self._announce(instance)
        elif detach:
            self._start_background()
        else:
            self.run(announce=True)

    def run(self, *, announce: bool) -> None:
        """Start Elasticsearch and return when a signal has stopped it.

        Raises
        ------
        StackError
            If it cannot be started, or ends by itself.
        """
        ready = False
        try:
            with Supervisor(self._report) as supervisor:
                node = EmbeddedElasticsearch(options_from(self._settings), self._report)
                supervisor.start(node)
                node.wait_ready()
                ready = True
                if announce:
                    self._announce(Instance(os.getpid(), node.url, node.version))
                    self._report("Ctrl-C stops it")
                supervisor.watch()
        except KeyboardInterrupt:
            if not ready:
                raise

    def down(self) -> bool:
        """Stop the process that runs on the data folder; return whether there was one."""
        return stop_instance(self._data_dir, STOP_SECONDS)

    def status(self) -> list[ComponentStatus]:
        """Return the state of Elasticsearch."""
        instance = running_instance(self._data_dir)
        if instance is None:
            return [ComponentStatus("elasticsearch", False, f"nothing runs on {self._data_dir}")]
        if not instance.url:
            return [ComponentStatus("elasticsearch", False, f"starting (process {instance.pid})")]
        password = users.read_passwords(self._data_dir).get(users.ADMIN, "")
        status = cluster_status(Login(instance.url, users.ADMIN, password))
        detail = f"{instance.version} {instance.url} {status or 'does not answer'} (process {instance.pid})"
        return [ComponentStatus("elasticsearch", bool(status), detail)]

    def logs(self, component: str, *, follow: bool) -> None:
        """Print the log of a component (empty = all); with `follow`, until interrupted."""
        print_logs(self._data_dir / "log", component, follow=follow)

    def _start_background(self) -> None:
        log_path = self._data_dir / "log" / "stack.log"
        private_folder(self._data_dir)
        private_folder(log_path.parent)
        settings = dataclasses.replace(self._settings, data_dir=str(self._data_dir))
        with open(log_path, "ab", opener=private_opener) as log:
            offset = log.tell()
            keeper = subprocess.Popen(
                [sys.executable, "-m", "monitor_agent", "stack", "up", "--background"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment_without_secrets({**os.environ, **environment_of(settings)}),
                start_new_session=True,
            )
        self._report("starting Elasticsearch in the background")
        self._await_background(keeper, log_path, offset)

    def _await_background(self, keeper: subprocess.Popen[bytes], log_path: Path, offset: int) -> None:
        deadline = time.monotonic() + DETACHED_SECONDS
        try:
            while not (instance := running_instance(self._data_dir)) or not instance.url:
                if keeper.poll() is not None:
                    raise StackError(reason_line(log_path, offset).removeprefix("error: "), f"see {log_path}")
                if time.monotonic() > deadline:
                    raise StackError(f"Elasticsearch was not ready after {DETACHED_SECONDS:.0f} s", f"see {log_path}")
                time.sleep(POLL_SECONDS)
        except BaseException:
            keeper.terminate()
            keeper.wait(STOP_SECONDS)
            raise
        self._announce(instance)
        self._report(f"`monitor-agent stack down --data {self._settings.data_dir}` stops it")

    def _announce(self, instance: Instance) -> None:
        passwords = users.read_passwords(self._data_dir)
        file = self._data_dir / users.PASSWORDS_FILE
        width = max(map(len, passwords))
        self._report(f"Elasticsearch {instance.version} is ready: {instance.url}")
        for user, password in passwords.items():
            self._report(f"  {user:<{width}}  {password}" if self._show_passwords else f"  {user}")
        self._report(f"passwords are kept in {file}; for other commands:")
        # The names and the generated passwords have no characters that a shell or a pattern reads in another way.
        read = f"""$(sed -n 's/.*"{users.ADMIN}": "\\(.*\\)".*/\\1/p' {shlex.quote(str(file))})"""
        self._report(
            f"  export ELASTICSEARCH_URL={instance.url} ELASTICSEARCH_USERNAME={users.ADMIN}"
            f" ELASTICSEARCH_PASSWORD={passwords[users.ADMIN] if self._show_passwords else read}"
        )
