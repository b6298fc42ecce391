"""`monitor-agent up`: the whole product on this machine, until Ctrl-C."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from monitor_agent.contracts.command_users import SETUP, with_setup_user
from monitor_agent.contracts.role_names import MONITOR_SETUP
from monitor_agent.demo import model, open_bandit
from monitor_agent.demo.display import Display
from monitor_agent.errors import ElasticsearchError, MissingPrivilegeError
from monitor_agent.es.connection import open_gateway
from monitor_agent.es.install import install
from monitor_agent.es.model_settings_store import ModelSettingsStore
from monitor_agent.es.readiness import index_templates, missing_templates
from monitor_agent.es.responses import UNAUTHORIZED, status_of
from monitor_agent.es.rights import require_privileges
from monitor_agent.extras import PIPELINE, VIEWER, OptionalComponent, require
from monitor_agent.http_serving.listener import url_of
from monitor_agent.notifying.channels import open_channels
from monitor_agent.settings import (
    Settings,
    read_mapped_fields,
    read_notify_tables,
    require_agreement,
    stated_for_models,
)
from monitor_agent.settings.model_tables import Table
from monitor_agent.stack.embedded.elasticsearch import components_of_start
from monitor_agent.stack.local import LocalProduct
from monitor_agent.stack.process import Supervisor

CAMPAIGN = "all"
NO_SETUP_USER = f"set STACK_SETUP_PASSWORD to the password of the user {MONITOR_SETUP} (docs/users.md)"


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser("up", help="run the whole product on this machine until Ctrl-C")
    parser.add_argument("--show-passwords", action="store_true", help="print the passwords of the users as well")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Start every service, report its address, and run until a signal; return 0 if a signal stopped it.

    A service that ends is started again. One that cannot start at all ends the others.
    """
    require("up", *components_of(settings))
    open_channels(settings.notify, read_notify_tables(args.environ, args.config))
    display, ready = Display(), False
    try:
        with Supervisor(display.print_line) as supervisor:
            product = LocalProduct(with_links(settings), supervisor, display.print_line)
            places = stated_for_models(args.environ, args.config)
            addresses = start(product, supervisor, display, places, args.config)
            announce(product, addresses, display, show_passwords=args.show_passwords)
            ready = True
            supervisor.keep_running()
    except KeyboardInterrupt:
        if not ready:
            raise
    return 0


def components_of(settings: Settings) -> tuple[OptionalComponent, ...]:
    """Return what the product needs beyond the base installation."""
    models = model.components_of(Path(settings.server.model_dir), model.MODELS / CAMPAIGN)
    return (*components_of_start(settings.stack), *models, PIPELINE, VIEWER)


def start(
    product: LocalProduct, supervisor: Supervisor, display: Display, places: Table, config: Path | None
) -> dict[str, str]:
    """Start every service after those that it needs; return the address or folder of each by its name.

    Parameters
    ----------
    places : where settings of models are stated; they must be those of the cluster.
    config : the file of settings, for the mappings of the receiver and the channels of notifications.
    """
    product.require_ports()
    product.start_elasticsearch()
    if product.settings.stack.provider == "external":  # what is wrong there is told before slow work
        product.wait_for_elasticsearch()
        set_up(product, display, config)
    product.start_model_server(model_folder(product, supervisor, display))
    with display.spinner("waiting for Elasticsearch and the model server"):
        product.wait_for_elasticsearch()
        server = product.wait_for_model_server()
    if product.settings.stack.provider != "external":
        set_up(product, display, config)
    with closing(open_gateway(product.settings.elasticsearch)) as gateway:
        require_agreement(product.settings.agent, places, ModelSettingsStore(gateway).require().history.tables)
    product.start_pipeline()
    product.start_agent(config)
    product.start_dashboards()
    receives = product.settings.receive.port is not None
    if receives:
        product.start_receiver(config)
    with display.spinner("waiting for the dashboards"):
        dashboards = product.wait_for_dashboards()
    agent = product.settings.agent
    return {
        "model server": f"{server}/predict  {server}/feedback",
        **({"receiver": product.wait_for_receiver()} if receives else {}),
        "dashboards": dashboards,
        **({"agent's health": health_page(product.settings)} if agent.health_port else {}),
        "Elasticsearch": product.settings.elasticsearch.url[0],
        "event files": product.settings.server.log_dir,
        "logs": str(product.log_dir),
    }


def with_links(settings: Settings) -> Settings:
    """Return the settings with the address of the viewer that is started here, for the links in messages."""
    viewer, notify = settings.dashboards, settings.notify
    if notify.dashboards_url or not viewer.port:
        return settings
    address = url_of(viewer.host, viewer.port, tls=bool(viewer.tls_cert))
    return dataclasses.replace(settings, notify=dataclasses.replace(notify, dashboards_url=address))


def set_up(product: LocalProduct, display: Display, config: Path | None) -> None:
    """Install the index templates; if the user may not, and they are there, only say so.

    Parameters
    ----------
    config : the file of settings, for the labels and features that its tables fill.

    Raises
    ------
    ElasticsearchError
        If the user may not, and a template is missing, or if Elasticsearch refuses.
    """
    settings = product.settings
    access = product.setup_access()
    with closing(open_gateway(access)) as gateway:
        try:
            require_privileges(gateway, "setup")
        except MissingPrivilegeError as error:
            if missing_templates(index_templates(gateway)):
                hint = error.hint if settings.stack.setup_password else NO_SETUP_USER
                raise MissingPrivilegeError(error.message, hint) from error
            display.print_line(f"the index templates stay as they are ({error.message}); {with_setup_user(SETUP)}")
            return
        except ElasticsearchError as error:
            if status_of(error) == UNAUTHORIZED and settings.stack.setup_password:
                raise ElasticsearchError(error.message, "check STACK_SETUP_PASSWORD") from error
            raise
        for obstacle in install(gateway, settings.agent, server=settings.server, mapped=read_mapped_fields(config)):
            display.print_line("\n".join(obstacle.lines))


def health_page(settings: Settings) -> str:
    """Return the address of the health page."""
    agent = settings.agent
    return f"{url_of(agent.health_host, agent.health_port or 0, tls=bool(settings.health.tls_cert))}/healthz"


def model_folder(product: LocalProduct, supervisor: Supervisor, display: Display) -> Path:
    """Return the folder of the user's models, or that of the demo's model if there is none."""
    folder = Path(product.settings.server.model_dir)
    if model.has_model(folder):
        return folder
    display.print_line(
        f"{folder} holds no model: serving the demo's model; to serve your own, set MODEL_SERVER_MODEL_DIR"
    )
    data_dir = Path(product.settings.stack.data_dir)
    recorded = open_bandit.load(CAMPAIGN, data_dir)
    return model.ensure_trained(recorded, model.MODELS, data_dir, supervisor, display)


def announce(
    product: LocalProduct, locations: Mapping[str, str], display: Display, *, show_passwords: bool = False
) -> None:
    """Print the address of each service, and where the passwords of the users are; if asked, the passwords too."""
    display.print_line("")
    for name, location in locations.items():
        display.print_line(f"{name:<16} {location}")
    if product.users and not show_passwords:
        display.print_line(f"{'users':<16} {', '.join(product.users)}")
    for user, password in product.users.items() if show_passwords else ():
        display.print_line(f"{'user':<16} {user:<16} {password}")
    if product.users:
        display.print_line(f"{'passwords':<16} {product.passwords_file}")
    display.print_line("Ctrl-C stops everything")
    display.print_line("")
