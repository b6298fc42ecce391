"""The start of a running agent: it waits for Elasticsearch, and ends if `monitor-agent setup` has not run there."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from monitor_agent.agent.health import Health
from monitor_agent.agent.scheduler import StopSignal
from monitor_agent.errors import (
    ElasticsearchError,
    MissingPrivilegeError,
    NotSetUpError,
    SettingsError,
    StoppedError,
    UnsupportedServerError,
    in_one_line,
)
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.readiness import require_setup
from monitor_agent.es.rights import require_privileges
from monitor_agent.settings import AgentSettings

RUN = "run"
"""The command of the running agent."""


def wait_for_setup(
    gateway: Gateway,
    health: Health,
    settings: AgentSettings,
    stop_signal: StopSignal,
    require_agreement: Callable[[], None] = lambda: None,
) -> None:
    """Return when Elasticsearch has the index templates, or the process was asked to stop.

    Nothing is written before: a document would make an index without its mapping.

    Parameters
    ----------
    require_agreement : raises an error if the settings of models in the cluster are not those of the process.

    Raises
    ------
    NotSetUpError
        If Elasticsearch answers and lacks a template, or settings of models.
    SettingsError
        If the settings of models are not those of the process.
    UnsupportedServerError
        If another product or an old version answers.
    MissingPrivilegeError
        If the user may not do the agent's work.
    """
    log = structlog.get_logger()
    while not stop_signal.stopped:
        health.began()
        try:
            warnings = require_setup(gateway, settings.segments)
            require_privileges(gateway, RUN)
            require_agreement()
        except (MissingPrivilegeError, NotSetUpError, SettingsError, UnsupportedServerError):
            raise
        except StoppedError:
            return
        except Exception as error:
            health.failed(in_one_line(error))
            defect = not isinstance(error, ElasticsearchError)
            log.error("the cycle failed and will be tried again", reason=in_one_line(error), exc_info=defect)
            stop_signal.sleep(settings.period.total_seconds())
        else:
            for warning in warnings:
                log.warning(warning)
            return
