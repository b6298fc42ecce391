"""`monitor-agent pipeline`: run a pipeline configuration, copy it, or check it or event files on this machine."""

from __future__ import annotations

import argparse
import socket
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from monitor_agent.cli._output import add_json, print_json, print_line
from monitor_agent.cli._product_files import add_files, copy_files
from monitor_agent.durations import parse_duration
from monitor_agent.errors import ConfigurationError, DataError
from monitor_agent.extras import PIPELINE, require
from monitor_agent.files import readable_name
from monitor_agent.logstash import statistics
from monitor_agent.logstash.files.durable import is_locked
from monitor_agent.logstash.language.variables import names_in, pipeline_variables
from monitor_agent.logstash.plugin import PipelineContext
from monitor_agent.product_files import LOGSTASH
from monitor_agent.settings import Settings

NOT_RUNNING = 1


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser("pipeline", help="run a pipeline configuration, copy it, or check it or event files")
    parser.set_defaults(names_read=names_read, file=None)
    actions = parser.add_subparsers(title="actions", dest="action", required=True, metavar="ACTION")
    check = actions.add_parser(
        "check", help="check that the configuration can be run, and warn of conditions that are probably mistakes"
    )
    run_ = actions.add_parser("run", help="run the pipeline until Ctrl-C, or until its standard input ends")
    run_.add_argument(
        "--drain",
        type=_drain_time,
        default=timedelta(),
        metavar="DURATION",
        help="after SIGTERM or Ctrl-C, first deliver what the event files hold, for at most this time, such as 60s; a "
        "second signal stops at once (default: stop at once; the next run goes on)",
    )
    stats = actions.add_parser(
        "stats", help="report the work and the backlog of the pipeline; the exit status is 1 if it does not run"
    )
    add_json(stats)
    validate = actions.add_parser(
        "validate",
        help="check event files without an Elasticsearch; the exit status is 1 if an event would be refused, and 2 if "
        "a file cannot be read or the configuration is wrong",
    )
    add_files(actions, "the files of the pipeline that come with the product")
    validate.add_argument("files", nargs="+", metavar="FILE", help="event file, also .gz; - is the standard input")
    add_json(validate)
    for action in (check, run_, validate):
        action.add_argument(
            "-f", dest="file", metavar="CONF", help="file or folder of the configuration (default: PIPELINE_CONFIG)"
        )


def _drain_time(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except DataError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def names_read(args: argparse.Namespace, settings: Settings) -> set[str]:
    """Return the environment variables that the configuration reads; none if it cannot be read."""
    try:
        from monitor_agent.logstash import compiler

        return names_in(text for _, text in compiler.read_sources(args.file or settings.pipeline.config))
    except (ConfigurationError, ModuleNotFoundError):
        return set()  # the action reports it


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Carry out the action; return 1 if `stats` finds that the pipeline does not run.

    For `validate`, see `_validation.validate`.
    """
    if args.action == "files":
        return copy_files(args, LOGSTASH, {"PIPELINE_CONFIG": "pipeline"})
    if args.action == "stats":
        return _print_statistics(settings, as_json=args.json)
    require(f"pipeline {args.action}", PIPELINE)
    from monitor_agent.logstash import compiler, runner
    from monitor_agent.logstash.language import lint

    if args.action == "validate":
        from monitor_agent.cli import _validation

        return _validation.validate(args, settings)
    config = args.file or settings.pipeline.config
    sources = compiler.read_sources(config)
    optional = Path(config) / f"http-{settings.pipeline.http}"
    if optional.is_dir():  # config/pipelines.yml does the same for a Logstash
        sources += compiler.read_sources(str(optional))
    sections = compiler.parse_sources(sources)
    context = PipelineContext(
        settings.pipeline,
        sys.stdin.buffer,
        sys.stdout.buffer,
        readable_name(socket.gethostname()),
        ca_certs=settings.elasticsearch.ca_certs,
        drain_seconds=args.drain.total_seconds() if args.action == "run" else 0.0,
    )
    program = compiler.compile_sections(sections, pipeline_variables(settings, args.environ), context)
    if not program.inputs:
        raise ConfigurationError("there is no input", path=config, hint="write input { ... }")
    if args.action == "run":
        runner.run(program, context)
        return 0
    for warning in lint.warnings(sections):
        print_line(f"warning: {warning}")
    print_line(f"{config} is fine: {len(program.counters) - 1} plugins, files read: {len(sources)}")
    return 0


def _print_statistics(settings: Settings, *, as_json: bool) -> int:
    folder = Path(settings.pipeline.data_dir)
    document = statistics.read_statistics(folder)
    runs = is_locked(folder)
    if not runs and document["state"] == "running":
        document["state"] = "gone"  # it was killed before it could write its end
    if as_json:
        print_json(document)
    else:
        print_line("\n".join(statistics.report(document)))
    return 0 if runs else NOT_RUNNING
