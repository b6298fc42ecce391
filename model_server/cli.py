"""The console script `model-server`: serves (the default), trains, keeps API keys; an error is one line."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from model_server import evaluate_command, inspect_command, key_command, setting_limits
from model_server.exporting import command as exporting
from model_server.releases.available import cards_to_serve
from model_server.training import command as training
from monitor_agent import log, settings
from monitor_agent.command_line import CommandParser, VersionAction, add_completion, completion_script, run_program
from monitor_agent.extras import MODEL_SERVER, loading, require


def main(argv: Sequence[str] | None = None) -> int:
    """Return the exit status: 0 success, 1 an error that one line reports, 2 wrong usage, 130 interrupted."""
    return run_program("model-server", "model_server", lambda: _run(argv))


def _run(argv: Sequence[str] | None) -> int:
    parser = _parser()
    args = parser.parse_args(argv)
    log.configure("model-server")
    if args.command == "train":
        return training.run(args)
    if args.command == "completion":
        print(completion_script(parser, args.shell))
        return 0
    if args.command == "inspect":
        return inspect_command.run(args)
    if args.command == "evaluate":
        return evaluate_command.run(args, _settings(args.config).server)
    if args.command == "export":
        return exporting.run(args, settings.read(os.environ, args.config).server)
    if args.command == "keys":
        return key_command.run(args, settings.read(os.environ, args.config).server)
    return _check(args) if args.command == "check" else _serve(args)


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="model-server",
        description="Serve a click model over HTTP, one event line per prediction; settings come from the environment.",
    )
    config = os.environ.get("MONITOR_CONFIG")
    parser.add_argument(
        "--config", type=Path, default=Path(config) if config else None, metavar="FILE", help="file of settings (TOML)"
    )
    parser.add_argument("--version", action=VersionAction)
    subparsers = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    serve = subparsers.add_parser("serve", help="serve until SIGTERM (the default)")
    serve.add_argument(
        "--address-file", type=Path, metavar="FILE", help="file that holds the server's URL while it answers"
    )
    subparsers.add_parser("check", help="say which model would be served; the exit status is 1 if there is none")
    training.add_parser(subparsers)
    evaluate_command.add_parser(subparsers)
    exporting.add_parser(subparsers)
    inspect_command.add_parser(subparsers)
    key_command.add_parser(subparsers)
    add_completion(subparsers)
    parser.set_defaults(address_file=None)
    return parser


def _settings(config: Path | None) -> settings.Settings:
    """Return the settings.

    Raises
    ------
    SettingsError
        If those of the server are malformed or contradict each other.
    """
    loaded = settings.read(os.environ, config)
    log.hide(settings.secret_values(loaded))
    # The server also runs while settings of other components contradict each other: predictions come first.
    settings.refuse(row for row in settings.contradictions_of(loaded) if row.of_server)
    setting_limits.check(loaded.server)
    return loaded


def _check(args: argparse.Namespace) -> int:
    """Print the versions that would be served; neither TensorFlow nor the model is loaded."""
    for card in cards_to_serve(_settings(args.config).server):
        print(f"model {card.name}, version {card.version}, threshold {card.threshold:g}, in {card.folder}")
    return 0


def _serve(args: argparse.Namespace) -> int:
    loaded = _settings(args.config)
    for warning in settings.name_warnings(os.environ):
        log.warn(f"{warning.finding}: {warning.remedy}")
    require("model-server", MODEL_SERVER)
    with loading(MODEL_SERVER):
        from model_server.serving_process import serve
        from monitor_agent.http_serving.service_manager import NOTIFY_SOCKET
    notify_socket = os.environ.get(NOTIFY_SOCKET, "")
    serve(loaded.server, args.address_file, require_auth=loaded.security.require_auth, notify_socket=notify_socket)
    return 0
