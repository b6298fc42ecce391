"""`monitor-agent dashboards`: Kibana's dashboards as web pages, without Kibana."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from monitor_agent.errors import SettingsError
from monitor_agent.settings import Settings
from monitor_agent.stack.embedded.elasticsearch import cache_folder


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser("dashboards", help="show the dashboards as web pages, without Kibana")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="data folder of an embedded stack, started where it does not run"
    )
    parser.add_argument("--host", help="address to listen on (DASHBOARDS_HOST)")
    parser.add_argument("--port", type=int, help="port to listen on; 0 = any free one (DASHBOARDS_PORT)")
    parser.add_argument(
        "--address-file", type=Path, metavar="FILE", help="holds the viewer's URL from when it is ready until it stops"
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Serve until Ctrl-C."""
    from monitor_agent.dashboards.server import serve
    from monitor_agent.stack.read_access import read_access

    given = {name: value for name, value in (("host", args.host), ("port", args.port)) if value is not None}
    own = dataclasses.replace(settings.dashboards, **given)
    kept = settings.stack.cache_dir
    cache = cache_folder(Path(kept) if kept else None)

    def ready(url: str) -> None:
        say(f"dashboards: {url}")
        say("Ctrl-C stops them")
        if args.address_file:
            _write(args.address_file, url)

    try:
        with read_access(settings, args.data, say) as elasticsearch:
            serve(own, elasticsearch, Path(settings.kibana.folder), cache, say, ready)
    finally:
        if args.address_file:
            args.address_file.unlink(missing_ok=True)
    return 0


def say(line: str) -> None:
    """Print a line at once, even into a pipe."""
    print(line, flush=True)


def _write(path: Path, url: str) -> None:
    try:
        temporary = path.with_name(path.name + ".new")
        temporary.write_text(url + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise SettingsError(f"{path} cannot be written ({error.strerror})", "name another --address-file") from error
