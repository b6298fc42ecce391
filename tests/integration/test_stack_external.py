"""An existing cluster is read, never started or stopped."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from tests.cluster import Cluster


def stack(action: str, url: str, username: str, password: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run `monitor-agent stack <action>` on the cluster at `url`."""
    login = {"ELASTICSEARCH_URL": url, "ELASTICSEARCH_USERNAME": username, "ELASTICSEARCH_PASSWORD": password}
    return subprocess.run(
        [sys.executable, "-m", "monitor_agent", "stack", action],
        env={**os.environ, **login, "STACK_PROVIDER": "external", **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("user", ["admin", "pipeline_writer", "monitor_agent", "analyst"])
def test_every_user_may_read_the_state_of_the_cluster(elasticsearch: Cluster, user: str) -> None:
    """The least privileges are enough to read the cluster's state, so that health checks need no more."""
    with elasticsearch.client(user):  # skips if the cluster has no such user
        status = stack("status", elasticsearch.url, user, elasticsearch.users[user])

    assert (status.returncode, status.stderr) == (0, "")
    assert status.stdout.startswith(f"elasticsearch: running, {elasticsearch.url} ")


def test_down_leaves_an_existing_cluster_alone(elasticsearch: Cluster) -> None:
    """A cluster that this program did not start is not stopped."""
    admin = elasticsearch.users[elasticsearch.admin]

    assert "nothing is stopped" in stack("down", elasticsearch.url, elasticsearch.admin, admin).stdout
    assert stack("up", elasticsearch.url, elasticsearch.admin, admin).returncode == 0


def test_a_wrong_password_is_one_line(elasticsearch: Cluster) -> None:
    """A refused login is reported, with exit status 1."""
    up = stack("up", elasticsearch.url, elasticsearch.admin, "wrong")

    assert up.returncode == 1
    assert up.stderr.startswith(f"error: {elasticsearch.url} refuses GET /_cluster/health: security_exception: ")
    assert "check ELASTICSEARCH_USERNAME and ELASTICSEARCH_PASSWORD" in up.stderr
    assert len(up.stderr.splitlines()) == 1


def test_an_address_without_an_answer_is_one_line() -> None:
    """The missing answer is reported, with exit status 1."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # bound, but not listening: connections are refused
        up = stack("up", f"http://127.0.0.1:{silent.getsockname()[1]}", "", "")

    assert up.returncode == 1
    assert "no answer (Connection refused)" in up.stderr
    assert len(up.stderr.splitlines()) == 1


def test_users_without_passwords_are_one_line(elasticsearch: Cluster) -> None:
    """The users need passwords; the message names the variables for them."""
    admin = elasticsearch.users[elasticsearch.admin]
    users = stack("users", elasticsearch.url, elasticsearch.admin, admin)

    assert users.returncode == 1
    assert "PIPELINE_PASSWORD" in users.stderr
