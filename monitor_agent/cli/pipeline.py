"""`monitor-agent pipeline`: check a pipeline configuration, and run it on this machine."""

from __future__ import annotations

import argparse
import socket
import sys
from typing import Any

from monitor_agent.errors import ConfigurationError, PipelineError
from monitor_agent.settings import Settings
from monitor_agent.stack.embedded.logstash.plugin import Context
from monitor_agent.stack.embedded.logstash.variables import environment


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser("pipeline", help="check and run a pipeline configuration")
    actions = parser.add_subparsers(title="actions", dest="action", required=True, metavar="ACTION")
    check = actions.add_parser("check", help="say whether the configuration can be run, and what it hardly means")
    run_ = actions.add_parser("run", help="run it; Ctrl-C stops it, an ended standard input does too")
    for action in (check, run_):
        action.add_argument("-f", dest="file", metavar="CONF", help="file or folder; default: PIPELINE_CONFIG")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Carry out the action."""
    try:
        from monitor_agent.stack.embedded.logstash import compiler, lint, runner
    except ModuleNotFoundError as error:
        raise PipelineError(f"the pipeline needs {error.name}", "pip install 'model-monitor[embedded]'") from error
    config = args.file or settings.pipeline.config
    sources = compiler.read_sources(config)
    sections = compiler.parse_sources(sources)
    context = Context(settings, sys.stdin.buffer, sys.stdout.buffer, socket.gethostname())
    program = compiler.compile_sections(sections, environment(settings), context)
    if not program.inputs:
        raise ConfigurationError("there is no input", path=config, hint="write input { ... }")
    if args.action == "run":
        runner.run(program, context)
        return 0
    for warning in lint.warnings(sections):
        print(f"warning: {warning}")
    print(f"{config} is fine: {len(program.counters) - 1} plugins, files read: {len(sources)}")
    return 0
