"""The whole product on one machine: problems that are reported before a process starts."""

from __future__ import annotations

import dataclasses
import socket
from pathlib import Path

import pytest

from monitor_agent.errors import ElasticsearchError, PortInUseError, StackError
from monitor_agent.settings import (
    AgentSettings,
    DashboardsSettings,
    ElasticsearchSettings,
    ServerSettings,
    Settings,
    StackSettings,
)
from monitor_agent.stack import local
from monitor_agent.stack.local import LocalProduct
from monitor_agent.stack.process import Supervisor


def product(settings: Settings) -> LocalProduct:
    """Return the product of these settings; nothing is started."""
    return LocalProduct(settings, Supervisor(), lambda _line: None)


def test_a_port_in_use_is_reported_before_a_process_starts() -> None:
    """The line names the port and the setting of its component; port 0 stands for a free one."""
    free = Settings(
        agent=AgentSettings(health_port=0), server=ServerSettings(port=0), dashboards=DashboardsSettings(port=0)
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(PortInUseError, match=f"port {port} .* set MODEL_SERVER_PORT"):
            product(dataclasses.replace(free, server=ServerSettings(port=port))).require_ports()
        with pytest.raises(PortInUseError, match=f"port {port} .* set MONITOR_HEALTH_PORT"):
            product(dataclasses.replace(free, agent=AgentSettings(health_port=port))).require_ports()
        with pytest.raises(PortInUseError, match=f"port {port} .* set DASHBOARDS_PORT"):
            product(dataclasses.replace(free, dashboards=DashboardsSettings(port=port))).require_ports()
    product(free).require_ports()


def test_a_full_disk_is_reported_before_elasticsearch_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder need not exist yet; the line names the free and the needed space."""
    monkeypatch.setattr(local, "LEAST_FREE_MIB", 10**12)
    folder = tmp_path / "not" / "there"

    with pytest.raises(StackError, match=rf"{tmp_path} has \d+ MiB left, and {10**12} MiB are needed"):
        product(Settings(stack=StackSettings(data_dir=str(folder)))).start_elasticsearch()
    assert not folder.exists()


def test_containers_are_started_by_their_own_command() -> None:
    """The compose file also holds the model server and the agent: the line names the command."""
    with pytest.raises(StackError, match="monitor-agent stack up --provider compose"):
        product(Settings(stack=StackSettings(provider="compose")))


def test_an_existing_cluster_without_an_answer_is_reported() -> None:
    """With `STACK_PROVIDER=external` nothing is started, and the address must answer."""
    external = product(
        Settings(
            elasticsearch=ElasticsearchSettings(url=("http://127.0.0.1:9",)), stack=StackSettings(provider="external")
        )
    )
    external.start_elasticsearch()

    with pytest.raises(ElasticsearchError, match="no answer"):
        external.wait_for_elasticsearch()
