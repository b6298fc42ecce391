"""`monitor-agent kibana`: copy, pack, unpack, check, import and export dashboards, watches and rules."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from monitor_agent.alerting.definitions import Alert
from monitor_agent.cli._agent import gateway_of
from monitor_agent.cli._controls import add_controls, control_values
from monitor_agent.cli._output import add_json, print_json, print_line
from monitor_agent.cli._product_files import add_files, copy_files
from monitor_agent.cli._times import add_shown_range, add_time
from monitor_agent.clock import SystemClock
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.errors import DataError, KibanaError, reason_of_file
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.rights import require_privileges
from monitor_agent.files import written_out
from monitor_agent.kibana import folder, installation, package
from monitor_agent.kibana.api import Kibana
from monitor_agent.kibana.checks import Finding, check_alerts, check_objects
from monitor_agent.kibana.dashboard_check import check_alert_searches, check_dashboards
from monitor_agent.kibana.objects import SavedObject
from monitor_agent.kibana.times import time_range
from monitor_agent.pipeline import instants
from monitor_agent.product_files import KIBANA
from monitor_agent.settings import Settings
from monitor_agent.vocabulary.counted_nouns import counted

PROBLEMS = 1


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser("kibana", help="copy, pack, check, import and export dashboards, watches and rules")
    actions = parser.add_subparsers(title="actions", dest="action", required=True, metavar="ACTION")
    add_files(actions, "the saved objects, watches, rules and alerts that come with the product")
    pack = actions.add_parser("pack", help="write the import file, the watches and the rules from their sources")
    pack.add_argument("--check", action="store_true", help="write nothing, and fail if one of the files is out of date")
    unpack = actions.add_parser("unpack", help="write the objects of a Kibana export back into files")
    unpack.add_argument("file", type=Path, help="the exported .ndjson file")
    unpack.add_argument("--prune", action="store_true", help="remove the files of objects that are not in the export")
    check = actions.add_parser("check", help="check all files, and every panel on Elasticsearch")
    check.add_argument("--offline", action="store_true", help="check the files only")
    add_time(check, "--now", help="time that counts as now (default: the time of the newest prediction)")
    add_shown_range(check, "the range of each dashboard")
    add_controls(check)
    add_json(check)
    put = actions.add_parser("import", help="import the saved objects into Kibana")
    put.add_argument("--overwrite", action="store_true", help="replace objects that exist")
    put.add_argument(
        "--dry-run", action="store_true", help="change nothing, and report what would be new and what differs"
    )
    get = actions.add_parser("export", help="write the objects of Kibana back into files")
    get.add_argument("--out", type=Path, metavar="FILE", help="write one import file, and change no other file")
    get.add_argument("--prune", action="store_true", help="remove the files of objects that are not in Kibana")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Carry out the action; return 1 if a check finds a problem."""
    root = Path(settings.kibana.folder)
    if args.action == "files":
        return copy_files(args, KIBANA, {"KIBANA_FOLDER": "", "MONITOR_ALERTS": folder.ALERTS})
    if args.action == "pack":
        return _pack(root, check_only=args.check)
    if args.action == "unpack":
        text = _text(args.file)
        objects = package.unpack(text)
        for gap in package.gaps(text):
            _warn(gap)
        return _write(root, objects, prune=args.prune)
    if args.action == "check":
        return _check(root, args, settings)
    if args.action == "import":
        return _import(root, args, settings)
    ids = [saved.id for saved in folder.read_objects(root).values()]
    exported = installation.exported(Kibana(settings.kibana), ids, _warn)
    if args.out:
        with written_out(args.out):
            args.out.write_text(package.pack(exported.values()), encoding="utf-8")
        print_line(str(args.out))
        return 0
    return _write(root, exported, prune=args.prune)


def _warn(text: str) -> None:
    print(f"warning: {text}", file=sys.stderr)


def _pack(root: Path, *, check_only: bool) -> int:
    stale = folder.stale(root)
    if check_only:
        if stale:
            raise DataError(f"{', '.join(stale)}: out of date", "run monitor-agent kibana pack")
        return 0
    for name in folder.pack(root):
        print_line(name)
    return 0


def _write(root: Path, objects: Mapping[tuple[str, str], SavedObject], *, prune: bool) -> int:
    if not objects:
        raise DataError("the export holds no objects", f"the objects of this project carry the tag {installation.TAG}")
    changes = folder.write_objects(root, objects.values(), prune=prune)
    for state in ("added", "changed", "removed"):
        for name in getattr(changes, state):
            print_line(f"{state}: {name}")
    if changes.unlisted:
        print_line(f"{len(changes.unlisted)} files are not in the export and remain (--prune removes them)")
    print_line(f"{counted(len(objects), 'object')} written; run monitor-agent kibana check, then pack")
    return 0


def _check(root: Path, args: argparse.Namespace, settings: Settings) -> int:
    objects, alerts = folder.read_objects(root), folder.read_alerts(root)
    problems = [*check_objects(objects), *check_alerts(alerts, objects)]
    problems += [Finding("stale", name, "out of date, run monitor-agent kibana pack") for name in folder.stale(root)]
    if not args.offline:
        with gateway_of(settings) as gateway:
            require_privileges(gateway, "kibana check")
            problems += _on_elasticsearch(gateway, objects, alerts, args)
    if args.json:
        findings = [dataclasses.asdict(problem) for problem in problems]
        print_json({"objects": len(objects), "alerts": len(alerts), "problems": findings})
        return PROBLEMS if problems else 0
    for problem in problems:
        print_line(f"{problem.file}: [{problem.check}] {problem.message}")
    print_line(
        ", ".join((counted(len(objects), "object"), counted(len(alerts), "alert"), counted(len(problems), "problem")))
    )
    return PROBLEMS if problems else 0


def _on_elasticsearch(
    gateway: Gateway, objects: Mapping[str, SavedObject], alerts: Sequence[Alert], args: argparse.Namespace
) -> Iterator[Finding]:
    if bool(args.start) != bool(args.end):
        raise DataError("--from and --to belong together")
    values = control_values(args.control_values)
    present = SystemClock().now()
    if args.now:
        present = args.now.at(present)
    time = time_range(args.start.text, args.end.text, present) if args.start else None
    now = present if args.now else time.end if time else _newest(gateway)

    def search_all(searches: Sequence[tuple[str, Mapping[str, Any]]]) -> list[dict[str, Any]]:
        return gateway.msearch(searches, tolerate="type")

    for problem in [
        *check_dashboards(objects, search_all, now, time, values),
        *check_alert_searches(alerts, search_all, now),
    ]:
        yield Finding("elasticsearch", problem.place, problem.message)


def _newest(gateway: Gateway) -> datetime:
    """Return the time of the newest prediction, which counts as the present."""
    body = {"size": 0, "query": instants.in_calendar(), "aggs": {"newest": {"max": {"field": "@timestamp"}}}}
    newest = gateway.search(PREDICTIONS.alias, body).get("aggregations", {}).get("newest", {}).get("value_as_string")
    if not newest:
        raise DataError("there are no predictions to check the dashboards with", "run make demo, or use --offline")
    return instants.parse(newest)


def _import(root: Path, args: argparse.Namespace, settings: Settings) -> int:
    objects = folder.read_objects(root)
    kibana = Kibana(settings.kibana)
    if args.dry_run:
        for line in installation.differences(kibana, objects.values()):
            print_line(line)
        return 0
    result = kibana.import_objects(package.pack(objects.values()), overwrite=args.overwrite)
    imported = f"{counted(result.imported, 'object')} imported, {result.replaced} of them replaced"
    print_line(f"{imported}, {len(result.refused)} refused")
    for line in installation.refusals(result):
        print_line(line)
    if result.refused:
        conflicts = sum(refusal.reason == "conflict" for refusal in result.refused)
        hint = "--overwrite replaces what exists; --dry-run shows how it differs" if conflicts else ""
        raise KibanaError(f"{len(result.refused)} of {len(objects)} objects were refused", hint)
    return 0


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({reason_of_file(error)})") from error
