"""`monitor-agent models`: the settings of models in the cluster: what they are, what a file changes, their history."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from monitor_agent.cli._agent import prepared_gateway_of
from monitor_agent.cli._output import NOTHING, add_json, print_json, print_line, print_table
from monitor_agent.clock import SystemClock
from monitor_agent.errors import SettingsError
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.model_settings_store import ModelSettingsStore, StoredHistory, stored_models
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.model_history import ModelHistory, Revision, new_revisions
from monitor_agent.settings import AgentSettings, Settings, contradictions_of_agent, read_tables, with_model
from monitor_agent.settings.model_tables import (
    DEFAULT,
    TableChange,
    Tables,
    changes_between,
    merged,
    of_table,
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
    require_valid(tables, agent)
    now = SystemClock().now()
    differences = list(changes_between(stored.history.tables, tables))
    history = stored.history.with_change(tables, now) if differences else stored.history
    applies = args.action == "apply" and not args.dry_run and bool(differences)
    store = ModelSettingsStore(gateway)
    first_changes = dict.fromkeys(stored_models(gateway), stored.history.number) | dict(stored.first_changes)
    if applies:
        # Models that no agent of this release has met yet have the settings before this change.
        first_changes = dict(store.meet(first_changes, stored.history.number, now))
        store.write(stored, history)
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
    if differences and not applies:
        print_line("nothing is changed yet: run `monitor-agent models apply` without --dry-run")


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


def require_valid(tables: Tables, agent: AgentSettings) -> None:
    """Refuse tables with values that contradict each other, or that the retention of the settings cannot hold.

    Raises
    ------
    SettingsError
        If a table has such values; it names the table and its keys.
    """
    for name in {DEFAULT: None, **dict.fromkeys(tables)}:
        for row in contradictions_of_agent(with_model(agent, settings_of_table(tables, name))):
            raise of_table(SettingsError(row.finding, row.remedy), name)


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
