"""`monitor-agent demo`: one of the scenarios through the whole product on this machine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from monitor_agent.demo.demonstration import Demonstration, DemoOptions
from monitor_agent.demo.display import Display
from monitor_agent.demo.model import MODELS
from monitor_agent.demo.open_bandit import CAMPAIGNS
from monitor_agent.demo.scenarios import FURTHER, NAMES, SEARCH
from monitor_agent.errors import SettingsError
from monitor_agent.settings import Settings

_OF_SEARCH = ("campaign", "model", "models", "limit")
"""Options that only the scenario `search` has."""

AFTER_INTERRUPTION = "run it again; it begins anew"


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser("demo", help="show the product at work on this machine, in one of several scenarios")
    parser.add_argument(
        "--scenario",
        choices=NAMES,
        default=SEARCH,
        help="`search`: a real click log (the default); "
        + "; ".join(f"`{name}`: {scenario.summary}" for name, scenario in FURTHER.items()),
    )
    parser.add_argument("--campaign", choices=CAMPAIGNS, help="campaign of the Open Bandit log (default: all)")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder to write to; the demo empties it first (default: var/demo, or var/demo-SCENARIO)",
    )
    parser.add_argument(
        "--model", type=Path, metavar="DIR", help="SavedModel to serve (default: a new model, trained on the log)"
    )
    parser.add_argument(
        "--models",
        type=Path,
        metavar="DIR",
        help=f"folder of the trained models (default: {MODELS})",
    )
    parser.add_argument("--limit", type=_positive, metavar="N", help="how many impressions to replay (default: all)")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the scenario.

    Raises
    ------
    SettingsError
        If an option does not belong to the scenario.
    """
    if args.scenario != SEARCH:
        for name in _OF_SEARCH:
            if getattr(args, name) is not None:
                raise SettingsError(f"--{name} belongs to the scenario {SEARCH}", f"leave --{name} out")
        FURTHER[args.scenario].run(settings, args.out or Path(f"var/demo-{args.scenario}"), Display())
        return 0
    options = DemoOptions(
        campaign=args.campaign or "all",
        out=args.out or Path("var/demo"),
        models=args.models or MODELS,
        model=args.model,
        limit=args.limit,
    )
    Demonstration(options, settings, Display()).run()
    return 0


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number
