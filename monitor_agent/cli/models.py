"""`monitor-agent models`: the settings of models in the cluster: what they are, what a file changes, their history."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from monitor_agent.cli._agent import prepared_gateway_of
from monitor_agent.cli._output import NOTHING, add_json, print_json, print_line, print_table
from monitor_agent.cli._times import add_time
from monitor_agent.clock import SystemClock
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.durations import in_days
from monitor_agent.errors import DataError, SettingsError
from monitor_agent.es.disk_use import bytes_per_day
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.model_settings_store import ModelSettingsStore, StoredHistory, stored_first_changes
from monitor_agent.es.readiness import unmapped_labels
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.instants import DAY
from monitor_agent.pipeline.model_history import ModelHistory, Revision, new_revisions
from monitor_agent.settings import AgentSettings, Settings, needed_retention, read_tables, require_valid, with_segments
from monitor_agent.settings.model_tables import (
    DEFAULT,
    TableChange,
    Tables,
    changes_between,
    merged,
    plain,
    settings_of_table,
    table_for,
    title,
)

ALWAYS = "always"


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser("models", help="show and change what decides the numbers of models")
    actions = parser.add_subparsers(title="actions", dest="action", required=True, metavar="ACTION")
    apply = actions.add_parser("apply", help="change the tables and keys that a file names")
    apply.add_argument("--dry-run", action="store_true", help="print what would change, and change nothing")
    add_time(
        apply,
        "--recompute",
        help="restate from the first largest window on that begins at this time or later (default: nothing that was "
        "computed changes)",
    )
    difference = actions.add_parser("diff", help="print what `apply` would change")
    for action in (apply, difference):
        action.add_argument("file", type=Path, metavar="FILE", help="TOML with [models.default], [models.NAME]")
        action.add_argument("--replace", action="store_true", help="also remove what the file does not name")
    listing = actions.add_parser("list", help="list the tables, and the models with their revisions")
    show = actions.add_parser("show", help="print all settings of a model, and its revisions")
    show.add_argument("name", metavar="NAME", help="name of the model; it need not have events yet")
    history = actions.add_parser("history", help="list every change")
    for action in (apply, difference, listing, show, history):
        add_json(action)


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Carry out the action."""
    with prepared_gateway_of(settings, f"models {args.action}") as gateway:
        store = ModelSettingsStore(gateway)
        stored = store.require()
        if args.action in ("apply", "diff"):
            _apply(args, settings.agent, gateway, stored)
        elif args.action == "list":
            _list(stored, as_json=args.json)
        elif args.action == "show":
            _show(args.name, stored, as_json=args.json)
        else:
            _print_history(stored.history, as_json=args.json)
    return 0


def _apply(args: argparse.Namespace, agent: AgentSettings, gateway: Gateway, stored: StoredHistory) -> None:
    """Print what a file changes; change it, unless the command is `diff` or a dry run."""
    tables = merged(stored.history.tables, read_tables(args.file), replace=args.replace)
    _require_valid(tables, agent, gateway)
    now = SystemClock().now()
    recompute_from = _recompute_from(args, gateway, now)
    differences = list(changes_between(stored.history.tables, tables))
    is_change = bool(differences) or recompute_from is not None
    history = stored.history.with_change(tables, now, recompute_from) if is_change else stored.history
    applies = args.action == "apply" and not args.dry_run and is_change
    first_changes = (
        ModelSettingsStore(gateway).change(stored, history, now) if applies else stored_first_changes(gateway, stored)
    )
    revisions = new_revisions(stored.history, history, first_changes)
    if args.json:
        print_json(
            {
                "applied": applies,
                "number": history.number if applies else stored.history.number,
                "changes": [_change_object(change) for change in differences],
                "models": [{"model": model, **revision_object(row)} for model, row in revisions.items()],
            }
        )
        return
    for line in _lines(differences, revisions):
        print_line(line)
    # Only the user of the set-up may read the templates.
    segments = with_segments(agent, tables).segments if args.action == "apply" else ()
    for label in unmapped_labels(gateway, segments) if segments else ():
        print_line(f"the index templates do not have the label {label}: run `monitor-agent setup` after `apply`")
    if is_change and not applies:
        print_line("nothing is changed yet: run `monitor-agent models apply` without --dry-run")
    elif recompute_from is not None and revisions:
        print_line("the agents restate these windows in their next cycles")


def _require_valid(tables: Tables, agent: AgentSettings, gateway: Gateway) -> None:
    """Refuse tables that contradict themselves or the retention; say how much disk a longer retention would take.

    Raises
    ------
    SettingsError
        If a table has such values.
    """
    try:
        require_valid(tables, agent)
    except SettingsError as error:
        needed = needed_retention(tables, agent)
        size = bytes_per_day(gateway) if needed > agent.retention_events else None
        if size is None:
            raise
        total = _size(size * (needed / DAY))
        cost = f"events take {_size(size)} a day, so {in_days(needed)} of them would take {total}"
        raise SettingsError(error.message, f"{error.hint}; {cost}") from error


def _size(count: float) -> str:
    """Return a number of bytes for people."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if count >= factor:
            return f"{count / factor:.3g} {unit}"
    return f"{count / 1e3:.3g} kB"


def _recompute_from(args: argparse.Namespace, gateway: Gateway, now: datetime) -> datetime | None:
    """Return the start of what a change restates; None if it restates nothing.

    Raises
    ------
    DataError
        If the events from this time on are not there.
    """
    if args.action != "apply" or args.recompute is None:
        return None
    start: datetime = args.recompute.at(now)
    days = sorted(PREDICTIONS.day_of(name) for name in gateway.existing(PREDICTIONS.pattern) if _is_dated(name))
    if start >= now:
        raise DataError(
            f"--recompute {instants.text(start)} is not in the past", "leave it out, or give an earlier time"
        )
    if days and start < days[0]:
        raise DataError(
            f"the events before {instants.text(days[0])} are deleted, so nothing from {instants.text(start)} on can be "
            "restated",
            f"give --recompute {instants.text(days[0])} or later",
        )
    return start


def _is_dated(name: str) -> bool:
    try:
        PREDICTIONS.day_of(name)
    except ValueError:
        return False
    return True


def _lines(differences: Sequence[TableChange], revisions: dict[str, Revision]) -> Iterator[str]:
    if not differences:
        yield "the file changes nothing"
    for change in differences:
        yield change.line
    for model, revision in revisions.items():
        start = "its first event" if revision.start is None else instants.text(revision.start)
        yield f"{model}: revision {revision.number} from {start} on"
    if differences and not revisions:
        yield "no model with events gets other settings"


def _list(stored: StoredHistory, *, as_json: bool) -> None:
    tables, models = stored.history.tables, sorted(stored.first_changes)
    revisions = {model: stored.history.revisions(model, stored.first_changes[model]) for model in models}
    if as_json:
        rows = [
            {"model": model, "table": table_for(tables, model), **revision_object(revisions[model][-1])}
            for model in models
        ]
        print_json({"number": stored.history.number, "tables": tables, "models": rows})
        return
    print_table(
        f"tables after change {stored.history.number}",
        ["table", "keys"],
        [[title(name), ", ".join(f"{key}={text}" for key, text in table.items())] for name, table in tables.items()],
        left=2,
    )
    print_table(
        "models with events",
        ["model", "table", "revision", "from"],
        [[model, title(table_for(tables, model)), *_cells(revisions[model][-1])] for model in models],
        left=2,
    )


def _show(model: str, stored: StoredHistory, *, as_json: bool) -> None:
    tables = stored.history.tables
    name, revisions = table_for(tables, model), stored.history.revisions(model, stored.first_changes.get(model))
    values = plain(settings_of_table(tables, name))
    origins = {key: _origin(tables, name, key) for key in values}
    if as_json:
        print_json(
            {
                "model": model,
                "table": name,
                "settings": values,
                "revisions": [{**revision_object(row), "settings": plain(row.settings)} for row in revisions],
            }
        )
        return
    rows = [[key, text or NOTHING, origins[key]] for key, text in values.items()]
    print_table(f"settings of {model}", ["key", "value", "from"], rows, left=3)
    print_table("revisions", ["revision", "from"], [_cells(row) for row in revisions])


def _origin(tables: Tables, name: str, key: str) -> str:
    """Return which table a key of a model comes from."""
    for table in (name, DEFAULT):
        if key in tables.get(table, {}):
            return title(table)
    return "default of the product"


def _print_history(history: ModelHistory, *, as_json: bool) -> None:
    if as_json:
        print_json([change.content() for change in history.changes])
        return
    before: Tables = {}
    for change in history.changes:
        restated = f", restated from {instants.text(change.recompute_from)}" if change.recompute_from else ""
        print_line(f"change {change.number} at {instants.text(change.changed_at)}{restated}")
        for row in changes_between(before, change.tables):
            print_line(f"  {row.line}")
        before = change.tables


def _change_object(change: TableChange) -> dict[str, Any]:
    return {"table": change.table, "key": change.key, "before": change.before, "after": change.after}


def revision_object(revision: Revision) -> dict[str, Any]:
    """Return a revision as JSON; `null` = without an end on that side."""
    start, end = (None if moment is None else instants.text(moment) for moment in (revision.start, revision.end))
    return {"revision": revision.number, "start": start, "end": end}


def _cells(revision: Revision) -> list[str]:
    return [str(revision.number), ALWAYS if revision.start is None else instants.text(revision.start)]
