"""`monitor-agent dashboards`: Kibana's dashboards as web pages, without Kibana."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from monitor_agent.cli._output import print_line
from monitor_agent.extras import VIEWER, require
from monitor_agent.files import address_file
from monitor_agent.settings import Settings, require_port
from monitor_agent.stack.embedded.elasticsearch import cache_folder, components_of_start


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser("dashboards", help="show the dashboards as web pages, without Kibana")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="data folder of an embedded stack; the command starts the stack if it does not run",
    )
    parser.add_argument("--host", help="address to listen on (default: DASHBOARDS_HOST)")
    parser.add_argument("--port", type=int, help="port to listen on; 0 is any free one (default: DASHBOARDS_PORT)")
    parser.add_argument(
        "--address-file", type=Path, metavar="FILE", help="file that holds the viewer's URL while it answers"
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Serve until Ctrl-C."""
    require_port(args.port, "--port")
    require("dashboards", VIEWER, *(components_of_start(settings.stack) if args.data else ()))
    from monitor_agent.dashboards.server import serve
    from monitor_agent.http_serving.service_manager import NOTIFY_SOCKET, notify_ready
    from monitor_agent.stack.read_access import read_access

    changes = {name: value for name, value in (("host", args.host), ("port", args.port)) if value is not None}
    changed = dataclasses.replace(settings, dashboards=dataclasses.replace(settings.dashboards, **changes))
    cache = cache_folder(Path(settings.stack.cache_dir) if settings.stack.cache_dir else None)
    with (
        address_file(args.address_file) as publish,
        read_access(settings, args.data, print_line) as elasticsearch,
    ):

        def ready(url: str) -> None:
            print_line(f"dashboards: {url}")
            print_line("Ctrl-C stops them")
            publish(url)
            notify_ready(args.environ.get(NOTIFY_SOCKET, ""))

        serve(changed, elasticsearch, cache, print_line, ready)
    return 0
