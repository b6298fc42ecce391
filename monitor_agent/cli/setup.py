"""`monitor-agent setup`: put index templates, aliases and what else the cluster offers; safe to run again."""

from __future__ import annotations

import argparse
from typing import Any

from monitor_agent.cli._agent import gateway_of
from monitor_agent.es.install import install
from monitor_agent.settings import Settings


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    subparsers.add_parser("setup", help="put index templates and aliases on the cluster; safe to run again")


def run(_args: argparse.Namespace, settings: Settings) -> int:
    """Install everything."""
    with gateway_of(settings) as gateway:
        install(gateway, settings.agent, print)
    return 0
