"""`monitor-agent setup`: install index templates and aliases, repair indices, and with Kibana its dashboards."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monitor_agent.cli._agent import gateway_of, rules_of
from monitor_agent.cli._output import print_line
from monitor_agent.errors import DataError
from monitor_agent.es import watcher
from monitor_agent.es.client_names import client_names
from monitor_agent.es.earlier_windows import earlier_windows
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.install import install
from monitor_agent.es.obstacles import Obstacle, obstacle_of, read_states
from monitor_agent.es.repair import Repair, repair_order
from monitor_agent.es.rights import require_privileges
from monitor_agent.kibana import folder, installation
from monitor_agent.kibana.api import Kibana
from monitor_agent.kibana.package import pack
from monitor_agent.kibana.rules import CONNECTORS, rule
from monitor_agent.kibana.watches import watch
from monitor_agent.pipeline import instants
from monitor_agent.settings import Settings, read_mapped_fields

IN_THE_WAY = 1

AFTER_INTERRUPTION = "run it again; what is done already stays as it is"


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
    parser.add_argument(
        "--repair",
        nargs="*",
        metavar="INDEX",
        help="give these indices the right mapping; no document is lost (default: all indices that need it)",
    )
    parser.add_argument("--dry-run", action="store_true", help="with --repair: only print what would be done")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Install everything; return 1 if something is in the way, or Kibana refused an object."""
    if args.dry_run and args.repair is None:
        raise DataError("--dry-run needs --repair", "run `monitor-agent setup --repair --dry-run`")
    mapped = read_mapped_fields(args.config)
    with gateway_of(settings) as gateway:
        require_privileges(gateway, "setup" if args.repair is None else "setup --repair")
        if args.dry_run:
            for repair in _repairs(gateway, settings, args.repair, mapped):
                print_line(repair.plan())
            return 0
        obstacles = install(gateway, settings.agent, print_line, settings.server, mapped)
        if args.repair is not None:
            for repair in _repairs(gateway, settings, args.repair, mapped):
                repair.run()
            obstacles = install(gateway, settings.agent, server=settings.server, mapped=mapped)
        for obstacle in obstacles:
            print_line("\n".join(obstacle.lines))
        if not obstacles and (interval := earlier_windows(gateway, rules_of(gateway, settings).base_sizes)):
            start, end = instants.text(interval.start), instants.text(interval.end)
            print_line(f"windows from {start} to {end} lack fields that an earlier release did not compute")
            print_line(f"  run `monitor-agent backfill --from {start} --to {end}`")
        refused = _kibana(gateway, settings) if args.kibana else 0
    return IN_THE_WAY if obstacles or refused else 0


def _repairs(gateway: Gateway, settings: Settings, names: Sequence[str], mapped: Sequence[str]) -> list[Repair]:
    """Return the repairs of indices, of all that need one if no name is given.

    Parameters
    ----------
    mapped : labels and features that tables of the settings file fill.

    Raises
    ------
    DataError
        If a named index needs no repair.
    """
    states = read_states(gateway, client_names(settings.agent, settings.server, mapped))
    obstructing = [state for state in states if (obstacle := obstacle_of(state)) and obstacle.repairable]

    def install_again() -> list[Obstacle]:
        return install(gateway, settings.agent, server=settings.server, mapped=mapped)

    repairs = [
        Repair(gateway, state, settings.agent.page_size, print_line, install_again)
        for state in repair_order(obstructing)
    ]
    for name in names:
        if name not in [repair.name for repair in repairs]:
            need = ", ".join(repair.name for repair in repairs) or "none"
            raise DataError(f"{name} needs no repair, or a repair cannot help", f"indices that need one: {need}")
    return [repair for repair in repairs if not names or repair.name in names]


def _kibana(gateway: Gateway, settings: Settings) -> int:
    """Install the dashboards and alerts in Kibana; return how many objects it refused."""
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
    return len(result.refused)
