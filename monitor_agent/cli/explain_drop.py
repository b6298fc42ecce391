"""`monitor-agent explain-drop`: what a fall of a metric comes from."""

from __future__ import annotations

import argparse
from typing import Any

from monitor_agent.cli._agent import prepared_gateway_of, rules_of
from monitor_agent.cli._output import NOTHING, add_json, number, print_json, print_line, print_table
from monitor_agent.cli._times import add_range, range_at
from monitor_agent.clock import SystemClock
from monitor_agent.durations import format_duration
from monitor_agent.es.drop_explanation import explain_drop
from monitor_agent.es.retry import Backoff
from monitor_agent.metrics.early_positives import EARLY_AGE
from monitor_agent.pipeline.instants import Interval
from monitor_agent.root_causes.drop import ExplainedDrop
from monitor_agent.root_causes.label_rule import FINAL_LABELS
from monitor_agent.root_causes.searches import JUST_BEFORE, LAST_WEEK, DropQuestion, in_words
from monitor_agent.root_causes.value_sums import MEASURES, METRICS
from monitor_agent.settings import Settings
from monitor_agent.vocabulary.counted_nouns import counted

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
        "--metric",
        default="",
        choices=METRICS,
        metavar="NAME",
        help="; ".join(f"{kind}: {', '.join(measures)}" for kind, measures in MEASURES.items())
        + " (default: the first one of the model's kind)",
    )
    parser.add_argument(
        "--age",
        default="",
        metavar="AGE",
        help=f"count positives within this time after the prediction, such as 5m, alike on both sides; {FINAL_LABELS}: "
        f"count final labels (default: {format_duration(EARLY_AGE)} for a model that is judged by clicks if most of "
        "the range is too young for final labels)",
    )
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
    now = SystemClock().now()
    interval = Interval(*range_at(args.start, args.end, now))
    question = DropQuestion(args.model, args.version, interval, args.against, args.metric, args.age)
    with prepared_gateway_of(settings, "explain-drop", Backoff(tries=2)) as gateway:
        drop = explain_drop(gateway, question, rules_of(gateway, settings, args.model), now)
    if args.json:
        print_json(drop.document())
    else:
        _print(drop)
    return 0


def _print(drop: ExplainedDrop) -> None:
    comparison, measure = drop.comparison, drop.measure
    before, after = measure.value(drop.whole.before), measure.value(drop.whole.after)
    print_line(f"{comparison.after.model}: {drop.metric} {number(after)} against {number(before)}")
    if drop.change is not None:
        print_line(f"  difference {drop.change_in_words()}")
    print_line(f"  {in_words(comparison.after)} ({counted(drop.whole.after.trials, 'prediction')})")
    print_line(f"  against {in_words(comparison.before)} ({counted(drop.whole.before.trials, 'prediction')})")
    print_line(f"  {comparison.rule.in_words()}")
    print_line(f"\n{drop.sentence()}")
    unit = ", pp" if measure.is_share else ""
    columns = [
        "dimension",
        "value",
        "before",
        "after",
        "n before",
        "n after",
        f"rate{unit}",
        f"mix{unit}",
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
            measure.change_text(row.effect.rate, unit=False),
            measure.change_text(row.effect.mix, unit=False),
            number(row.adjusted_p, 2),
            "yes" if row in drop.causes else "",
        ]
        for row in drop.worst(MOST_ROWS)
    ]
    print_table(
        f"\nWhat {measure.has_become_worse} more than the rest ({counted(len(drop.rows), 'value')} compared)",
        columns,
        rows,
        left=2,
    )
    changed_facts = [[other.fact, other.before or NOTHING, other.after] for other in drop.other_changes]
    print_table(
        "\nWhat else changed", ["", "before", "after"], changed_facts or [["nothing", NOTHING, NOTHING]], left=1
    )
