"""`monitor-agent completion`: print the script with which a shell completes commands and options."""

from __future__ import annotations

import argparse

from monitor_agent.command_line import add_completion, completion_script
from monitor_agent.settings import Settings

add_parser = add_completion


def run(args: argparse.Namespace, _settings: Settings) -> int:
    """Print the script for all commands of `monitor-agent`."""
    from monitor_agent.cli import make_parser

    print(completion_script(make_parser(), args.shell))
    return 0
