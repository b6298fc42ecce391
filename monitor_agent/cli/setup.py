"""`monitor-agent setup`: put index templates, aliases and what else the cluster offers; safe to run again."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from monitor_agent.cli._agent import gateway_of
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
    parser = subparsers.add_parser("setup", help="put index templates and aliases on the cluster; safe to run again")
    parser.add_argument(
        "--kibana", action="store_true", help="put dashboards into Kibana too, and alerts: watches, else rules"
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Install everything; 1 where Kibana refused a part of it."""
    with gateway_of(settings) as gateway:
        install(gateway, settings.agent, print)
        return _kibana(gateway, settings) if args.kibana else 0


def _kibana(gateway: Gateway, settings: Settings) -> int:
    root, kibana = Path(settings.kibana.folder), Kibana(settings.kibana)
    done = kibana.import_objects(pack(folder.read_objects(root).values()), overwrite=True)
    print(f"saved objects: {done.done} imported, {done.replaced} of them replaced, {len(done.refused)} refused")
    for line in installation.refusals(done):
        print(f"  {line}")
    alerts = folder.read_alerts(root)
    missing = watcher.why_without(gateway)
    if missing:
        print(f"watches skipped: {missing}")
        for name, connector in CONNECTORS.items():
            kibana.put_connector(name, connector)
        for alert in alerts:
            kibana.put_rule(alert.id, rule(alert))
        print(f"rules: {', '.join(alert.id for alert in alerts)}")
    else:
        for alert in alerts:
            watcher.put_watch(gateway, alert.id, watch(alert))
        print(f"watches: {', '.join(alert.id for alert in alerts)}")
        print("rules skipped: the watches say the same")
    return 1 if done.refused else 0
