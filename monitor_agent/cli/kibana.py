"""`monitor-agent kibana`: pack, unpack, check, import and export dashboards, watches and rules."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from monitor_agent.alerting.definitions import Alert
from monitor_agent.cli._agent import gateway_of, moment
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.errors import DataError, KibanaError
from monitor_agent.es.gateway import Gateway
from monitor_agent.kibana import folder, installation, package
from monitor_agent.kibana.api import Kibana
from monitor_agent.kibana.checks import check_alerts, check_objects
from monitor_agent.kibana.dashboard_check import check_alert_searches, check_dashboards
from monitor_agent.kibana.objects import SavedObject
from monitor_agent.kibana.times import TimeRange
from monitor_agent.pipeline import instants
from monitor_agent.settings import Settings

FOUND = 1


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser("kibana", help="pack, check, import and export dashboards, watches and rules")
    actions = parser.add_subparsers(title="actions", dest="action", required=True, metavar="ACTION")
    pack = actions.add_parser("pack", help="write the import file, the watches and the rules from their sources")
    pack.add_argument("--check", action="store_true", help="write nothing; fail if one of them is out of date")
    unpack = actions.add_parser("unpack", help="take an export of Kibana back into files")
    unpack.add_argument("file", type=Path, help="the exported .ndjson")
    unpack.add_argument("--prune", action="store_true", help="remove the files of objects that are not in the export")
    checked = actions.add_parser("check", help="check all files, and every panel on a real Elasticsearch")
    checked.add_argument("--offline", action="store_true", help="check the files only")
    checked.add_argument("--now", type=moment, metavar="TIME", help="what `now` is; else the newest prediction")
    checked.add_argument("--from", dest="start", type=moment, metavar="TIME", help="show this range instead")
    checked.add_argument("--to", dest="end", type=moment, metavar="TIME", help="its end")
    checked.add_argument(
        "--set",
        dest="chosen",
        action="append",
        default=[],
        type=_choice,
        metavar="CONTROL=VALUE",
        help="what a control says, such as window=1d; may be repeated",
    )
    put = actions.add_parser("import", help="put the saved objects into Kibana")
    put.add_argument("--overwrite", action="store_true", help="replace objects that exist")
    put.add_argument("--dry-run", action="store_true", help="only say what would be new, and what differs")
    get = actions.add_parser("export", help="take our objects out of Kibana, back into files")
    get.add_argument(
        "--out", type=Path, metavar="FILE", help="write one file to import elsewhere, and change none of ours"
    )
    get.add_argument("--prune", action="store_true", help="remove the files of objects that are not in Kibana")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Carry out the action; 1 when something is wrong."""
    root = Path(settings.kibana.folder)
    if args.action == "pack":
        return _pack(root, check_only=args.check)
    if args.action == "unpack":
        return _take(root, package.unpack(_text(args.file)), prune=args.prune)
    if args.action == "check":
        return _check(root, args, settings)
    if args.action == "import":
        return _import(root, args, settings)
    known = [saved.id for saved in folder.read_objects(root).values()]
    exported = installation.exported(Kibana(settings.kibana), known)
    if args.out:
        args.out.write_text(package.pack(exported.values()), encoding="utf-8")
        print(args.out)
        return 0
    return _take(root, exported, prune=args.prune)


def _pack(root: Path, *, check_only: bool) -> int:
    stale = folder.stale(root)
    if check_only:
        if stale:
            raise DataError(f"{', '.join(stale)}: out of date", "run monitor-agent kibana pack")
        return 0
    for name in folder.pack(root):
        print(name)
    return 0


def _take(root: Path, objects: Mapping[tuple[str, str], SavedObject], *, prune: bool) -> int:
    if not objects:
        raise DataError("the export holds no objects", f"our objects carry the tag {installation.TAG}")
    done = folder.write_objects(root, objects.values(), prune=prune)
    for word in ("added", "changed", "removed"):
        for name in getattr(done, word):
            print(f"{word}: {name}")
    if done.kept:
        print(f"{len(done.kept)} files are not in the export and were kept (--prune removes them)")
    print(f"{len(objects)} objects taken; run monitor-agent kibana check, then pack")
    return 0


def _check(root: Path, args: argparse.Namespace, settings: Settings) -> int:
    objects, alerts = folder.read_objects(root), folder.read_alerts(root)
    findings = [*check_objects(objects), *check_alerts(alerts, objects)]
    problems = [f"{each.file}: [{each.check}] {each.message}" for each in findings]
    problems += [f"{name}: out of date, run monitor-agent kibana pack" for name in folder.stale(root)]
    if not args.offline:
        with gateway_of(settings) as gateway:
            problems += _on_elasticsearch(gateway, objects, alerts, args)
    for problem in problems:
        print(problem)
    print(f"{len(objects)} objects, {len(alerts)} alerts, {len(problems)} problems")
    return FOUND if problems else 0


def _on_elasticsearch(
    gateway: Gateway, objects: Mapping[str, SavedObject], alerts: Sequence[Alert], args: argparse.Namespace
) -> Iterator[str]:
    if bool(args.start) != bool(args.end):
        raise DataError("--from and --to belong together")
    shown = TimeRange(args.start, args.end) if args.start else None
    chosen = {control: [value for name, value in args.chosen if name == control] for control, _ in args.chosen}
    now = args.now or args.end or _newest(gateway)

    def ask(searches: Sequence[tuple[str, Mapping[str, Any]]]) -> list[dict[str, Any]]:
        return gateway.msearch(searches, tolerate="type")

    for problem in [*check_dashboards(objects, ask, now, shown, chosen), *check_alert_searches(alerts, ask, now)]:
        yield f"{problem.place}: {problem.message}"


def _choice(text: str) -> tuple[str, str]:
    """Return the control and the value that an argument tells."""
    control, sign, value = text.partition("=")
    if not sign:
        raise argparse.ArgumentTypeError(f"{text!r} is no CONTROL=VALUE such as window=1d")
    return control, value


def _newest(gateway: Gateway) -> datetime:
    """Return the time of the newest prediction: dashboards look back from there."""
    body = {"size": 0, "aggs": {"newest": {"max": {"field": "@timestamp"}}}}
    found = gateway.search(PREDICTIONS.alias, body).get("aggregations", {}).get("newest", {}).get("value_as_string")
    if not found:
        raise DataError("there are no predictions to check the dashboards with", "run make demo, or use --offline")
    return instants.parse(found)


def _import(root: Path, args: argparse.Namespace, settings: Settings) -> int:
    objects = folder.read_objects(root)
    kibana = Kibana(settings.kibana)
    if args.dry_run:
        for line in installation.differences(kibana, objects.values()):
            print(line)
        return 0
    done = kibana.import_objects(package.pack(objects.values()), overwrite=args.overwrite)
    print(f"{done.done} objects imported, {done.replaced} of them replaced, {len(done.refused)} refused")
    for line in installation.refusals(done):
        print(line)
    if done.refused:
        conflicts = sum(each.reason == "conflict" for each in done.refused)
        hint = "--overwrite replaces what exists; --dry-run shows how it differs" if conflicts else ""
        raise KibanaError(f"{len(done.refused)} of {len(objects)} objects were refused", hint)
    return 0


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
