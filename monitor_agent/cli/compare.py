"""`monitor-agent compare`: two versions side by side, with intervals and a verdict."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from monitor_agent.agent.totals import Total, TotalKey, totals
from monitor_agent.cli._agent import history_of, moment
from monitor_agent.cli._output import add_json, interval, number, print_json, say, show
from monitor_agent.cli.totals import label_of, nothing_stored
from monitor_agent.contracts.performance import ALL_SEGMENT
from monitor_agent.errors import DataError, SettingsError
from monitor_agent.es.history import Selection, ServedVersions
from monitor_agent.metrics import WindowState
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.ranges import cover, widened
from monitor_agent.pipeline.version_comparison import CAUSAL, COMPARED, HEADLINE, Row, compare
from monitor_agent.pipeline.windows import Calendar
from monitor_agent.settings import Settings

_WORDS = {
    "better": "better",
    "worse": "worse",
    "no_difference": "no difference shown",
    "insufficient_data": "insufficient data",
    "no_interval": "no interval",
}


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser("compare", help="two versions side by side, with intervals and a verdict")
    parser.add_argument("--baseline", required=True, metavar="VERSION", help="the version that it is compared with")
    parser.add_argument("--candidate", required=True, metavar="VERSION", help="the version that is judged")
    parser.add_argument("--model", default="", help="needed where there are several models")
    parser.add_argument(
        "--from", dest="start", type=moment, metavar="TIME", help="first moment (default: since both were served)"
    )
    parser.add_argument(
        "--to", dest="end", type=moment, metavar="TIME", help="the moment after the last (default: the newest window)"
    )
    parser.add_argument("--by", action="append", default=[], metavar="FIELD", help="a label such as labels.scene")
    parser.add_argument(
        "--metric", default=HEADLINE, choices=COMPARED, metavar="NAME", help="the verdict is about it (%(default)s)"
    )
    add_json(parser)


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Print the comparison; an error where a version is unknown."""
    pair = (args.baseline, args.candidate)
    if pair[0] == pair[1]:
        raise SettingsError("--baseline and --candidate are the same version", "name two versions")
    label = label_of(args.by, settings.agent)
    calendar = Calendar(settings.agent)
    with history_of(settings) as history:
        model = _model(history.versions(calendar.base, args.start, args.end), args.model, pair)
        start, end = widened(calendar, *_range(model, pair, args.start, args.end))
        found = totals(history, cover(calendar, start, end), Selection(model.model, pair, label=label))
        missing = [version for version in pair if TotalKey(model.model, version, ALL_SEGMENT) not in found]
        if missing:
            raise nothing_stored(history, calendar, start, end, model.model, missing)
    segments = list(dict.fromkeys(group.segment for group in found))
    compared = {
        segment: compare(
            _state(found, TotalKey(model.model, pair[0], segment)),
            _state(found, TotalKey(model.model, pair[1], segment)),
            settings.agent,
        )
        for segment in segments
    }
    headline = next((row for row in compared[ALL_SEGMENT] if row.metric == args.metric), None)
    if args.json:
        print_json(_as_json(model, pair, (start, end), args.metric, headline, compared))
        return 0
    _print(model, pair, (start, end), compared, args.metric)
    say(_verdict(pair, args.metric, headline))
    say(CAUSAL)
    return 0


def _model(stored: Sequence[ServedVersions], name: str, pair: tuple[str, str]) -> ServedVersions:
    """Return the model that has both versions; DataError where none has or several have."""
    candidates = [each for each in stored if name in ("", each.model)]
    fitting = [each for each in candidates if each.served.keys() >= set(pair)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise DataError("several models have both versions", f"add --model {fitting[0].model}")
    if not candidates:
        known = ", ".join(sorted(each.model for each in stored))
        raise DataError(
            f"model {name} is unknown" if known and name else "no metrics documents in the range",
            f"known are {known}" if known else "give another range, or run monitor-agent backfill",
        )
    known = ", ".join(sorted({version for each in candidates for version in each.served}))
    unknown = [each for each in pair if not any(each in model.served for model in candidates)]
    raise DataError(f"version {' and '.join(unknown) or ' and '.join(pair)} is unknown", f"known are {known}")


def _range(
    model: ServedVersions, pair: tuple[str, str], start: datetime | None, end: datetime | None
) -> tuple[datetime, datetime]:
    """Return the range; where it is not told, the time since both versions were served."""
    firsts, lasts = zip(*(model.served[version] for version in pair), strict=True)
    overlap = max(firsts) < min(lasts)
    return start or (max(firsts) if overlap else min(firsts)), end or max(lasts)


def _state(found: Mapping[TotalKey, Total], group: TotalKey) -> WindowState:
    """Return a group's state; that of nothing where one version has no prediction in a segment."""
    return found[group].state if group in found else WindowState()


def _served(model: ServedVersions, pair: tuple[str, str]) -> str:
    told = "; ".join(
        f"version {version} from {instants.text(first)} to {instants.text(last)}"
        for version, (first, last) in ((version, model.served[version]) for version in pair)
    )
    (base_first, base_last), (first, last) = (model.served[version] for version in pair)
    apart = base_last <= first or last <= base_first
    return told + (": never at the same time, so that a difference may be that of the times" if apart else "")


def _print(
    model: ServedVersions,
    pair: tuple[str, str],
    between: tuple[datetime, datetime],
    compared: Mapping[str, Sequence[Row]],
    metric: str,
) -> None:
    title = f"{model.model}: version {pair[1]} against {pair[0]}, {' to '.join(map(instants.text, between))}"
    rows = [[_named(row), *_cells(row)] for row in compared[ALL_SEGMENT]]
    columns = ["metric", pair[0], pair[1], "difference", "95 % interval", "relative", "verdict"]
    show(title, columns, rows)
    if len(compared) > 1:
        rows = [[segment, *_cells(row)] for segment, found in compared.items() for row in found if row.metric == metric]
        show(f"\n{metric} by segment", ["segment", *columns[1:]], rows)
    say("")
    say(f"served: {_served(model, pair)}")


def _named(row: Row) -> str:
    return f"{row.metric} [{row.unit}]" if row.unit else row.metric


def _cells(row: Row) -> list[str]:
    ends = interval(row.interval.low, row.interval.high) if row.interval else "-"
    relative = "-" if row.relative is None else f"{100 * row.relative:+.1f} %"
    if row.relative_interval:
        relative += f" ({100 * row.relative_interval.low:+.1f}..{100 * row.relative_interval.high:+.1f})"
    return [
        number(row.baseline), number(row.candidate), number(row.difference, 3), ends, relative, _WORDS[row.verdict],
    ]  # fmt: skip


def _verdict(pair: tuple[str, str], metric: str, row: Row | None) -> str:
    word = row.verdict if row else "insufficient_data"
    told = {
        "better": f"version {pair[1]} is better than version {pair[0]}",
        "worse": f"version {pair[1]} is worse than version {pair[0]}",
        "no_difference": f"no difference between versions {pair[0]} and {pair[1]} is shown: the interval holds 0",
        "insufficient_data": f"too little is known to tell versions {pair[0]} and {pair[1]} apart",
        "no_interval": "this metric has no interval, so that nothing can be said about its difference",
    }
    return f"verdict ({metric}): {told[word]}"


def _as_json(
    model: ServedVersions,
    pair: tuple[str, str],
    between: tuple[datetime, datetime],
    metric: str,
    headline: Row | None,
    compared: Mapping[str, Sequence[Row]],
) -> dict[str, Any]:
    return {
        "model_name": model.model,
        "baseline": pair[0],
        "candidate": pair[1],
        "from": instants.text(between[0]),
        "to": instants.text(between[1]),
        "served": {version: list(map(instants.text, model.served[version])) for version in pair},
        "metric": metric,
        "verdict": headline.verdict if headline else "insufficient_data",
        "causal": CAUSAL,
        "segments": {segment: [asdict(row) for row in rows] for segment, rows in compared.items()},
    }
