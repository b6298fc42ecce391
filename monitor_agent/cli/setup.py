"""`monitor-agent setup`: install index templates and aliases, and with Kibana its dashboards and alerts."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from monitor_agent.cli._agent import gateway_of
from monitor_agent.cli._output import print_line
from monitor_agent.es import watcher
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.install import install
from monitor_agent.kibana import folder, installation
from monitor_agent.kibana.api import Kibana
from monitor_agent.kibana.package import pack
from monitor_agent.kibana.rules import CONNECTORS, rule
from monitor_agent.kibana.watches import watch
from monitor_agent.settings import Settings


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser(
        "setup", help="install index templates and aliases on the cluster, or bring them up to date"
    )
    parser.add_argument(
        "--kibana",
        action="store_true",
        help="also install the dashboards and alerts in Kibana: watches if the licence includes Watcher, else rules",
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Install everything; return 1 if Kibana refused an object."""
    with gateway_of(settings) as gateway:
        install(gateway, settings.agent, print_line)
        return _kibana(gateway, settings) if args.kibana else 0


def _kibana(gateway: Gateway, settings: Settings) -> int:
    root, kibana = Path(settings.kibana.folder), Kibana(settings.kibana)
    result = kibana.import_objects(pack(folder.read_objects(root).values()), overwrite=True)
    print_line(
        f"saved objects: {result.imported} imported, {result.replaced} of them replaced, {len(result.refused)} refused"
    )
    for line in installation.refusals(result):
        print_line(f"  {line}")
    alerts = folder.read_alerts(root)
    missing = watcher.why_without(gateway)
    if missing:
        print_line(f"watches skipped: {missing}")
        for name, connector in CONNECTORS.items():
            kibana.put_connector(name, connector)
        for alert in alerts:
            kibana.put_rule(alert.id, rule(alert))
        print_line(f"rules: {', '.join(alert.id for alert in alerts)}")
    else:
        for alert in alerts:
            watcher.put_watch(gateway, alert.id, watch(alert))
        print_line(f"watches: {', '.join(alert.id for alert in alerts)}")
        print_line("rules skipped: the watches report the same")
    return 1 if result.refused else 0
