"""The viewer of the dashboards as a process, on a cluster with data."""

from __future__ import annotations

import os
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import HTTPError
from urllib.parse import urlencode

from monitor_agent.files import read_address
from monitor_agent.settings import environment_of
from monitor_agent.stack.process import ChildProcess, Command
from tests.cluster import Cluster
from tests.factories import START, iso
from tests.integration.kibana_world import NOW

ROOT = Path(__file__).parents[1]
RANGE = {"from": iso(START), "to": iso(NOW)}
READY_SECONDS = 60.0


@contextmanager
def viewer_on(cluster: Cluster, environ: Mapping[str, str] | None = None) -> Iterator[str]:
    """Yield the address of a viewer that reads a cluster as the user `viewer`; `environ` are further settings."""
    access = environment_of(cluster.settings("viewer"))
    with TemporaryDirectory(prefix="viewer-") as folder:
        address = Path(folder) / "address"
        argv = [sys.executable, "-m", "monitor_agent", "dashboards", "--port", "0", "--address-file", str(address)]
        process = ChildProcess(
            Command("viewer", argv, Path(folder) / "log", {**os.environ, **access, **(environ or {})}, cwd=ROOT)
        )
        process.start()
        try:
            process.wait_ready(address.exists, READY_SECONDS)
            yield read_address(address)
        finally:
            process.stop()


def address_of(viewer: str, dashboard: str, **query: str) -> str:
    """Return the address of a dashboard, with the time range of the data."""
    return f"{viewer}/dashboards/{dashboard}?{urlencode({**RANGE, **query})}"


def fetch(url: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> tuple[int, dict[str, str], str]:
    """Return status, headers and text of an answer, also of a refusal."""
    request = urllib.request.Request(url, headers=dict(headers or {}), method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, dict(answer.headers), answer.read().decode()
    except HTTPError as error:
        return error.code, dict(error.headers), error.read().decode()
