"""`monitor-agent receive`: takes CloudEvents of KServe and events of UBI, and writes their event lines."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import signal
from pathlib import Path
from typing import Any

from monitor_agent.cli._output import print_line
from monitor_agent.files import address_file
from monitor_agent.http_serving.server import HttpServer
from monitor_agent.http_serving.service_manager import NOTIFY_SOCKET, notify_ready
from monitor_agent.receiving.server import serve
from monitor_agent.settings import Settings, read_mappings, require_port


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser("receive", help="write the events of KServe and UBI to the event files, by HTTP")
    parser.add_argument("--host", help="address to listen on (default: PIPELINE_RECEIVE_HOST)")
    parser.add_argument(
        "--port", type=int, help="port to listen on; 0 is any free one (default: PIPELINE_RECEIVE_PORT)"
    )
    parser.add_argument(
        "--address-file", type=Path, metavar="FILE", help="file that holds the receiver's URL while it answers"
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Receive until SIGTERM or Ctrl-C; requests in flight are answered first."""
    require_port(args.port, "--port")
    mappings = read_mappings(args.config)
    changes = {name: value for name, value in (("host", args.host), ("port", args.port)) if value is not None}
    changed = dataclasses.replace(settings, receive=dataclasses.replace(settings.receive, **changes))
    with contextlib.ExitStack() as stack:
        publish = stack.enter_context(address_file(args.address_file))

        def ready(server: HttpServer) -> None:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda _number, _frame: server.stop())
            print_line(f"receiver: {server.address}")
            publish(server.address)
            notify_ready(args.environ.get(NOTIFY_SOCKET, ""))

        serve(changed, mappings, ready)
    return 0
