"""What all scenarios share: a folder, an Elasticsearch with the product's templates, and the agent's log."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from monitor_agent import log
from monitor_agent.dashboards.addresses import dashboard_address
from monitor_agent.demo.applied_settings import set_up
from monitor_agent.demo.display import Display
from monitor_agent.demo.folder import DemoFolder
from monitor_agent.es.connection import open_gateway
from monitor_agent.es.gateway import Gateway
from monitor_agent.extras import PIPELINE, REPORTS, OptionalComponent, require
from monitor_agent.files import private_opener
from monitor_agent.settings import AgentSettings, Settings
from monitor_agent.stack.embedded.elasticsearch import components_of_start
from monitor_agent.stack.local import LocalProduct
from monitor_agent.stack.process import Supervisor


@dataclasses.dataclass(frozen=True)
class Stage:
    """A running Elasticsearch for one scenario.

    Attributes
    ----------
    product : the components of the product; only Elasticsearch runs.
    gateway : as the agent's own user.
    """

    product: LocalProduct
    gateway: Gateway
    supervisor: Supervisor
    display: Display
    folder: DemoFolder

    @property
    def settings(self) -> AgentSettings:
        """The settings of the scenario's agent."""
        return self.product.settings.agent

    def print_locations(self, dashboard: str, start: datetime, end: datetime, **controls: str) -> None:
        """Print where the results are.

        Parameters
        ----------
        dashboard : id of the dashboard to look at first.
        start, end : its time range.
        controls : its controls by name, such as `window="1d"`.
        """
        command = displayed_path(Path(sys.executable).parent / "monitor-agent")
        data = f"--data {displayed_path(self.folder.stack)}"
        locations = {
            "event files": displayed_path(self.folder.log),
            "logs of the parts": displayed_path(self.product.log_dir),
            "the agent's settings": f"{displayed_path(self.folder.settings)}, for {command} --config",
            "dashboards": f"{command} dashboards {data}, then "
            + dashboard_address(self.product.settings, dashboard, start, end, **controls),
            "Elasticsearch, with these data": f"{command} stack up {data}",
        }
        self.display.print_line("")
        for title, location in locations.items():
            self.display.print_line(f"{title:<32} {location}")
        self.display.print_line("")


@contextmanager
def stage(
    settings: Settings, out: Path, display: Display, subject: str, components: tuple[OptionalComponent, ...] = ()
) -> Iterator[Stage]:
    """Yield an Elasticsearch with the templates of the product, and stop it afterwards, however the block ends.

    Parameters
    ----------
    settings : of the scenario: its agent, its folders.
    subject : the command, for the message about missing packages.
    components : what the scenario needs beyond Elasticsearch, the pipeline and reports.
    """
    require(subject, *components_of_start(settings.stack), PIPELINE, REPORTS, *components)
    folder = DemoFolder(out)
    with folder.locked(), Supervisor(display.print_line) as supervisor:
        product = LocalProduct(settings, supervisor, display.print_line)
        product.start_elasticsearch()
        with display.spinner("waiting for Elasticsearch"):
            product.wait_for_elasticsearch()
        with closing(open_gateway(product.setup_access())) as gateway:
            set_up(gateway, product.settings, folder.settings)
        with agent_log(product), closing(open_gateway(product.settings.elasticsearch)) as gateway:
            yield Stage(product, gateway, supervisor, display, folder)


@contextmanager
def agent_log(product: LocalProduct) -> Iterator[None]:
    """Write the log of the agent, which runs in this process, to a file next to the other logs."""
    with open(product.log_dir / "agent.log", "a", encoding="utf-8", buffering=1, opener=private_opener) as stream:
        log.configure("monitor-agent", stream=stream)
        try:
            yield
        finally:
            log.configure("monitor-agent")


def scenario_settings(settings: Settings, out: Path, agent: AgentSettings) -> Settings:
    """Return the settings of a scenario: free ports, its own folder, its own agent, the user's stack."""
    defaults, folder = Settings(), DemoFolder(out)
    return dataclasses.replace(
        defaults,
        agent=agent,
        server=dataclasses.replace(
            defaults.server,
            port=0,
            log_dir=str(folder.log),
            labels=agent.segments or defaults.server.labels,
            environment="demo",
        ),
        pipeline=dataclasses.replace(settings.pipeline, data_dir=str(folder.pipeline), username="", password=""),
        stack=dataclasses.replace(
            settings.stack, provider="embedded", data_dir=str(folder.stack), http_port=0, short_lived=True
        ),
        dashboards=settings.dashboards,
        kibana=settings.kibana,
    )


def displayed_path(path: Path) -> str:
    """Return a path as the user would type it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
