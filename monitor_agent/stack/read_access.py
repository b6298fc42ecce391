"""The cluster that dashboards and reports read: the one of the settings, or the embedded one of a data folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from monitor_agent.contracts.role_names import MONITOR_AGENT, MONITOR_SETUP, PIPELINE_WRITER
from monitor_agent.errors import DataError
from monitor_agent.settings import ElasticsearchSettings, Settings
from monitor_agent.stack.embedded import users
from monitor_agent.stack.embedded.configuration import options_from
from monitor_agent.stack.embedded.elasticsearch import EmbeddedElasticsearch
from monitor_agent.stack.instance import running_instance
from monitor_agent.stack.process import Supervisor


@contextmanager
def read_access(
    settings: Settings, data: Path | None, report: Callable[[str], None]
) -> Iterator[ElasticsearchSettings]:
    """Yield address and user for reading Elasticsearch.

    For an embedded Elasticsearch, the user is `viewer`, who may only read. A signal raises KeyboardInterrupt.

    Parameters
    ----------
    data : data folder of an embedded Elasticsearch; if it does not run, it is started for the time of the block.
        None = the cluster of the settings, or the embedded one that runs if the settings name no cluster.

    Raises
    ------
    DataError
        If the folder holds no data of an embedded Elasticsearch.
    """
    with Supervisor(report) as supervisor:
        if data is None:
            yield _configured(settings)
            return
        folder = data.absolute()
        if not (folder / users.PASSWORDS_FILE).is_file():
            raise DataError(f"{data} holds no data of an embedded Elasticsearch", "check --data")
        running = running_instance(folder)
        if running is not None and running.url:
            yield _embedded(settings.elasticsearch, folder, running.url)
            return
        stack = dataclasses.replace(settings.stack, data_dir=str(folder), http_port=0)
        node = EmbeddedElasticsearch(options_from(stack), report)
        report("starting Elasticsearch")
        supervisor.start(node)
        node.wait_ready()
        yield _embedded(settings.elasticsearch, folder, node.url)


@contextmanager
def full_access(
    settings: Settings, data: Path | None, report: Callable[[str], None]
) -> Iterator[tuple[Settings, Settings | None]]:
    """Yield the settings with address and users for a command that writes, and those for the set-up.

    An embedded Elasticsearch gets its agent's and its pipeline's user, and the set-up its own. For a cluster of the
    settings, the set-up is somebody else's work: None.

    Parameters
    ----------
    data : data folder of an embedded Elasticsearch, which may be new; if it does not run, it is started for the time of
        the block. None = as for `read_access`.
    """
    with Supervisor(report) as supervisor:
        if data is None:
            url, folder = _running_url(settings)
            if not url:
                yield settings, None
                return
        else:
            folder = data.absolute()
            running = running_instance(folder)
            url = running.url if running is not None else ""
        if not url:
            stack = dataclasses.replace(settings.stack, data_dir=str(folder), http_port=0)
            node = EmbeddedElasticsearch(options_from(stack), report)
            report("starting Elasticsearch")
            supervisor.start(node)
            node.wait_ready()
            url = node.url
        passwords = users.passwords(folder)
        access = as_own_users(settings, url, passwords)
        setup = dataclasses.replace(
            access.elasticsearch, username=MONITOR_SETUP, password=passwords[MONITOR_SETUP], api_key=""
        )
        yield access, dataclasses.replace(access, elasticsearch=setup)


def as_own_users(settings: Settings, url: str, passwords: Mapping[str, str]) -> Settings:
    """Return the settings with the address of an embedded Elasticsearch, its agent's user and its pipeline's user."""
    return dataclasses.replace(
        settings,
        elasticsearch=dataclasses.replace(
            settings.elasticsearch,
            url=(url,),
            username=MONITOR_AGENT,
            password=passwords[MONITOR_AGENT],
            api_key="",
            ca_certs="",
        ),
        pipeline=dataclasses.replace(
            settings.pipeline, username=PIPELINE_WRITER, password=passwords[PIPELINE_WRITER], api_key=""
        ),
    )


def running_access(settings: Settings) -> Settings:
    """Return the settings; if they name no cluster, with address and users of the embedded one that runs.

    Raises
    ------
    StackError
        If its passwords cannot be read.
    """
    url, folder = _running_url(settings)
    return as_own_users(settings, url, users.passwords(folder)) if url else settings


def _running_url(settings: Settings) -> tuple[str, Path]:
    """Return address and data folder of the embedded Elasticsearch; no address if the settings name another cluster."""
    configured, defaults = settings.elasticsearch, ElasticsearchSettings()
    folder = Path(settings.stack.data_dir).absolute()
    if configured.url != defaults.url or configured.username or configured.api_key:
        return "", folder
    running = running_instance(folder)
    return (running.url if running is not None else ""), folder


def _configured(settings: Settings) -> ElasticsearchSettings:
    url, folder = _running_url(settings)
    return _embedded(settings.elasticsearch, folder, url) if url else settings.elasticsearch


def _embedded(settings: ElasticsearchSettings, folder: Path, url: str) -> ElasticsearchSettings:
    password = users.read_passwords(folder).get(users.VIEWER, "")
    return dataclasses.replace(settings, url=(url,), username=users.VIEWER, password=password, api_key="", ca_certs="")
