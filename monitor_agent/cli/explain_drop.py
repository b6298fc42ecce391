"""`monitor-agent explain-drop`: what a fall of a metric comes from."""

from __future__ import annotations

import argparse
from datetime import datetime
from typing import Any

from monitor_agent.cli._agent import prepared_gateway_of, rules_of
from monitor_agent.cli._output import NOTHING, add_json, number, print_json, print_line, print_table
from monitor_agent.cli._times import add_range, range_at
from monitor_agent.clock import SystemClock
from monitor_agent.contracts.model_names import problem_of_version, version_order
from monitor_agent.errors import DataError, SettingsError
from monitor_agent.es.history import History
from monitor_agent.es.retry import Backoff
from monitor_agent.es.root_cause_store import RootCauseStore
from monitor_agent.metrics.positive_rate import rate_name
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.instants import WEEK, Interval
from monitor_agent.root_causes.causes import whole_difference
from monitor_agent.root_causes.drop import ExplainedDrop
from monitor_agent.root_causes.searches import Side, SideComparison
from monitor_agent.root_causes.shares import MEASURES, POSITIVE_RATE
from monitor_agent.settings import AgentSettings, Settings
from monitor_agent.vocabulary.prediction_kinds import BINARY

LAST_WEEK, JUST_BEFORE = "last-week", "just-before"
MOST_ROWS = 10


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser(
        "explain-drop", help="explain a fall of a metric: which part of the predictions did it"
    )
    parser.add_argument("--model", required=True, help="the model")
    parser.add_argument("--version", default="", help="the version (default: all versions)")
    add_range(parser, required=True)
    parser.add_argument(
        "--against",
        default="",
        metavar="SIDE",
        help=f"what it fell against: {LAST_WEEK} (the same time a week before), {JUST_BEFORE} (as long a time just "
        f"before), or another version in the same time (default: {LAST_WEEK} if it has predictions, else the other "
        f"version of that time with most of them, else {JUST_BEFORE})",
    )
    parser.add_argument(
        "--metric", default=POSITIVE_RATE, choices=MEASURES, metavar="NAME",
        help=f"{', '.join(MEASURES)} (default: %(default)s)",
    )  # fmt: skip
    add_json(parser)


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Print the explanation.

    Raises
    ------
    SettingsError
        If the arguments contradict each other.
    DataError
        If a side has no predictions with known labels.
    """
    for option, version in (("--version", args.version), ("--against", args.against)):
        if version and (problem := problem_of_version(version)):
            raise SettingsError(f"{option} {version} {problem}", "name a version")
    if args.version and args.version == args.against:
        raise SettingsError("--version and --against are the same version", "name two versions")
    now = SystemClock().now()
    interval = Interval(*range_at(args.start, args.end, now))
    with prepared_gateway_of(settings, "explain-drop", Backoff(tries=2)) as gateway:
        rules = rules_of(gateway, settings, args.model)
        agent = rules.latest(args.model)
        if agent.kind not in ("", BINARY):
            raise DataError(
                f"{args.model} is a {agent.kind} model", "explain-drop splits metrics of binary models only"
            )
        store = RootCauseStore(gateway)
        after = Side(args.model, interval, args.version)
        if not store.predictions(after, agent, now):
            raise DataError(
                f"{args.model} has no predictions with known labels from {instants.text(interval.start)} to "
                f"{instants.text(interval.end)}",
                f"labels are known {agent.attribution_window} after a prediction: give an earlier range, or see "
                "`monitor-agent totals`",
            )
        versions = _versions(History(gateway, settings.agent.page_size), args.model, rules.base_sizes, interval)
        before = _before(args.against, after, store, agent, versions, now)
        metric = rate_name(agent.feedback_type) if args.metric == POSITIVE_RATE else args.metric
        comparison = SideComparison(before, after, agent, now)
        drop = store.explain(comparison, MEASURES[args.metric], metric)
    if args.json:
        print_json(drop.document())
    else:
        _print(drop)
    return 0


def _versions(history: History, model: str, sizes: Any, interval: Interval) -> list[str]:
    """Return the versions of a model that were served in an interval, the newest first."""
    served = [entry for entry in history.versions(sizes, interval.start, interval.end) if entry.model == model]
    return sorted(served[0].served, key=version_order, reverse=True) if served else []


def _before(
    against: str, after: Side, store: RootCauseStore, agent: AgentSettings, versions: list[str], now: datetime
) -> Side:
    """Return the side that the fall is measured against.

    Raises
    ------
    DataError
        If there is none with predictions.
    """
    start, end = after.interval.start, after.interval.end
    last_week = Side(after.model, Interval(start - WEEK, end - WEEK), after.version)
    just_before = Side(after.model, Interval(start - (end - start), start), after.version)
    other_versions = [Side(after.model, after.interval, version) for version in versions if version != after.version]
    if against == LAST_WEEK:
        candidates = [last_week]
    elif against == JUST_BEFORE:
        candidates = [just_before]
    elif against:
        candidates = [Side(after.model, after.interval, against)]
    else:
        rivals = other_versions if after.version else []
        counts = {side: store.predictions(side, agent, now) for side in rivals}
        candidates = [last_week, *sorted(rivals, key=lambda side: -counts[side]), just_before]
    for side in candidates:
        if store.predictions(side, agent, now):
            return side
    raise DataError(
        f"there are no predictions with known labels to compare with: {_named(candidates[0])}",
        f"give --against {LAST_WEEK}, {JUST_BEFORE} or a version that was served in this time",
    )


def _named(side: Side) -> str:
    version = f"version {side.version}" if side.version else "all versions"
    return f"{version}, {instants.text(side.interval.start)} to {instants.text(side.interval.end)}"


def _points(share: float) -> str:
    """Return a part of the change in percentage points, without a sign for nothing."""
    points = round(100 * share, 2)
    return f"{points:+.2f}" if points else "0.00"


def _print(drop: ExplainedDrop) -> None:
    comparison, measure = drop.comparison, drop.measure
    before, after = measure.value(drop.whole.before), measure.value(drop.whole.after)
    difference = whole_difference(drop.whole)
    print_line(f"{comparison.after.model}: {drop.metric} {number(after)} against {number(before)}")
    if difference is not None and measure.weight == 1:
        low, high = difference.difference_interval.low, difference.difference_interval.high
        print_line(
            f"  difference {100 * difference.difference:+.2f} pp, "
            f"95 % interval {100 * low:+.2f} to {100 * high:+.2f} pp"
        )
    print_line(f"  {_named(comparison.after)} ({drop.whole.after.trials:,} predictions)")
    print_line(f"  against {_named(comparison.before)} ({drop.whole.before.trials:,} predictions)")
    print_line(f"\n{drop.sentence()}")
    columns = [
        "dimension",
        "value",
        "before",
        "after",
        "n before",
        "n after",
        "rate, pp",
        "mix, pp",
        "p (adjusted)",
        "cause",
    ]
    rows = [
        [
            row.dimension,
            row.value,
            number(measure.value(row.change.before)),
            number(measure.value(row.change.after)),
            f"{row.change.before.trials:,}",
            f"{row.change.after.trials:,}",
            _points(row.effect.rate),
            _points(row.effect.mix),
            number(row.adjusted_p, 2),
            "yes" if row in drop.causes else "",
        ]
        for row in [*drop.causes, *(row for row in drop.rows if row not in drop.causes and row.score < 0)][:MOST_ROWS]
    ]
    print_table(f"\nWhat fell more than the rest ({len(drop.rows):,} values compared)", columns, rows, left=2)
    changed_facts = [[other.fact, other.before or NOTHING, other.after] for other in drop.other_changes]
    print_table(
        "\nWhat else changed", ["", "before", "after"], changed_facts or [["nothing", NOTHING, NOTHING]], left=1
    )
