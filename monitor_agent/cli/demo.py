"""`monitor-agent demo`: the Open Bandit click log through the whole product on this machine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from monitor_agent.demo.demonstration import Demonstration, DemoOptions
from monitor_agent.demo.display import Display
from monitor_agent.demo.model import MODELS
from monitor_agent.demo.open_bandit import CAMPAIGNS
from monitor_agent.settings import Settings


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser("demo", help="replay a real click log through the whole product on this machine")
    parser.add_argument(
        "--campaign", choices=CAMPAIGNS, default="all", help="campaign of the Open Bandit log (default: %(default)s)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("var/demo"),
        metavar="DIR",
        help="folder to write to; the demo empties it first (default: %(default)s)",
    )
    parser.add_argument(
        "--model", type=Path, metavar="DIR", help="SavedModel to serve (default: a new model, trained on the log)"
    )
    parser.add_argument(
        "--models",
        type=Path,
        default=MODELS,
        metavar="DIR",
        help="folder of the trained models (default: %(default)s)",
    )
    parser.add_argument("--limit", type=_positive, metavar="N", help="how many impressions to replay (default: all)")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the demo."""
    options = DemoOptions(campaign=args.campaign, out=args.out, models=args.models, model=args.model, limit=args.limit)
    Demonstration(options, settings, Display()).run()
    return 0


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number
