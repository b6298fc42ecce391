"""`monitor-agent compare`: two versions side by side, with intervals and a verdict."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitor_agent.agent.totals import Total, TotalKey, totals
from monitor_agent.cli._agent import history_of
from monitor_agent.cli._output import NOTHING, add_json, interval, number, print_json, print_line, print_table
from monitor_agent.cli._times import add_range
from monitor_agent.cli.totals import label_of, nothing_stored, print_not_final
from monitor_agent.clock import SystemClock
from monitor_agent.contracts.model_names import problem_of_version, version_order
from monitor_agent.contracts.performance import ALL_SEGMENT
from monitor_agent.errors import DataError, SettingsError
from monitor_agent.es.history import Selection, ServedVersions
from monitor_agent.metrics import WindowState
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.ranges import whole_windows
from monitor_agent.pipeline.version_comparison import CAUSAL, COMPARED_METRICS, MetricComparison, compare, headline
from monitor_agent.pipeline.windows import Calendar
from monitor_agent.settings import Settings

_VERDICTS = {
    "better": "better",
    "worse": "worse",
    "no_difference": "no difference shown",
    "insufficient_data": "insufficient data",
    "no_interval": "no interval",
}


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser("compare", help="compare two versions of a model, with intervals and a verdict")
    parser.add_argument("--baseline", required=True, metavar="VERSION", help="the version to compare with")
    parser.add_argument("--candidate", required=True, metavar="VERSION", help="the version to judge")
    parser.add_argument("--model", default="", help="the model (default: the one that has both versions)")
    add_range(parser, start="the first moment when both versions were served", end="the end of the newest window")
    parser.add_argument(
        "--by", action="append", default=[], metavar="FIELD", help="split by a label such as labels.scene"
    )
    parser.add_argument(
        "--metric",
        choices=COMPARED_METRICS,
        metavar="NAME",
        help="the metric of the verdict (default: by the kind of model ctr or positive_rate, accuracy, mae)",
    )
    add_json(parser)


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Print the comparison.

    Raises
    ------
    DataError
        If a version is unknown.
    """
    pair = (args.baseline, args.candidate)
    if pair[0] == pair[1]:
        raise SettingsError("--baseline and --candidate are the same version", "name two versions")
    for option, version in zip(("--baseline", "--candidate"), pair, strict=True):
        if problem := problem_of_version(version):
            raise SettingsError(f"{option} {version} {problem}", "name a version")
    now = SystemClock().now()
    start, end = (time.at(now) if time else None for time in (args.start, args.end))
    with history_of(settings, "compare", args.model) as (history, rules):
        model = _model(history.versions(rules.base_sizes, start, end), args.model, pair)
        agent = rules.latest(model.model)
        label = label_of(args.by, [agent])
        interval = whole_windows(Calendar(agent), *_range(model, pair, start, end))
        totals_by_key = totals(history, rules, interval, Selection(model.model, pair, label=label))
        missing = [version for version in pair if TotalKey(model.model, version, ALL_SEGMENT) not in totals_by_key]
        if missing:
            raise nothing_stored(history, rules, interval, model.model, missing)
    metric = args.metric or headline(totals_by_key[TotalKey(model.model, pair[1], ALL_SEGMENT)].state, agent)
    rows = {
        segment: compare(
            _state(totals_by_key, TotalKey(model.model, pair[0], segment)),
            _state(totals_by_key, TotalKey(model.model, pair[1], segment)),
            agent,
        )
        for segment in dict.fromkeys(key.segment for key in totals_by_key)
    }
    not_final = max(total.not_final for total in totals_by_key.values())
    comparison = _Comparison(model, pair, (interval.start, interval.end), metric, rows, not_final)
    if args.json:
        print_json(comparison.document())
    else:
        _print(comparison)
    return 0


@dataclass(frozen=True)
class _Comparison:
    """Two versions of a model over a range.

    Attributes
    ----------
    versions : the baseline, the candidate.
    rows : the compared metrics by segment.
    not_final : number of windows of a version that are not final.
    """

    model: ServedVersions
    versions: tuple[str, str]
    range: tuple[datetime, datetime]
    metric: str
    rows: Mapping[str, Sequence[MetricComparison]]
    not_final: int

    @property
    def verdict(self) -> str:
        """The verdict about the metric, over all segments."""
        headline = next((row for row in self.rows[ALL_SEGMENT] if row.metric == self.metric), None)
        return headline.verdict if headline else "insufficient_data"

    def document(self) -> dict[str, Any]:
        """Return the comparison as a JSON object."""
        return {
            "model_name": self.model.model,
            "baseline": self.versions[0],
            "candidate": self.versions[1],
            "from": instants.text(self.range[0]),
            "to": instants.text(self.range[1]),
            "served": {version: list(map(instants.text, self.model.served[version])) for version in self.versions},
            "metric": self.metric,
            "verdict": self.verdict,
            "causal": CAUSAL,
            "not_final": self.not_final,
            "segments": {segment: [row.fields() for row in rows] for segment, rows in self.rows.items()},
        }


def _model(stored: Sequence[ServedVersions], name: str, pair: tuple[str, str]) -> ServedVersions:
    """Return the model that has both versions.

    Raises
    ------
    DataError
        If no model has both, or several have.
    """
    candidates = [model for model in stored if name in ("", model.model)]
    fitting = [model for model in candidates if model.served.keys() >= set(pair)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise DataError("several models have both versions", f"add --model {fitting[0].model}")
    if not candidates:
        models = ", ".join(sorted(model.model for model in stored))
        raise DataError(
            f"model {name} is unknown" if models and name else "no metrics documents in the range",
            f"the stored models are {models}" if models else "give another range, or run monitor-agent backfill",
        )
    versions = ", ".join(sorted({version for model in candidates for version in model.served}, key=version_order))
    unknown = [version for version in pair if not any(version in model.served for model in candidates)]
    raise DataError(
        f"version {' and '.join(unknown) or ' and '.join(pair)} is unknown", f"the stored versions are {versions}"
    )


def _range(
    model: ServedVersions, pair: tuple[str, str], start: datetime | None, end: datetime | None
) -> tuple[datetime, datetime]:
    """Return the range; by default, it covers the time in which both versions were served."""
    firsts, lasts = zip(*(model.served[version] for version in pair), strict=True)
    overlap = max(firsts) < min(lasts)
    return start or (max(firsts) if overlap else min(firsts)), end or max(lasts)


def _state(totals_by_key: Mapping[TotalKey, Total], key: TotalKey) -> WindowState:
    """Return the state of a version in a segment; an empty state if the version has no prediction there."""
    return totals_by_key[key].state if key in totals_by_key else WindowState()


def _served(comparison: _Comparison) -> str:
    served = comparison.model.served
    ranges = "; ".join(
        f"version {version} from {instants.text(served[version][0])} to {instants.text(served[version][1])}"
        for version in comparison.versions
    )
    (base_first, base_last), (first, last) = (served[version] for version in comparison.versions)
    apart = base_last <= first or last <= base_first
    return ranges + (
        "; they were never served at the same time, so the time may be the cause of a difference" if apart else ""
    )


def _print(comparison: _Comparison) -> None:
    baseline, candidate = comparison.versions
    between = " to ".join(map(instants.text, comparison.range))
    title = f"{comparison.model.model}: version {candidate} against {baseline}, {between}"
    columns = ["metric", baseline, candidate, "difference", "95 % interval", "relative", "verdict"]
    print_table(title, columns, [[_named(row), *_cells(row)] for row in comparison.rows[ALL_SEGMENT]])
    if len(comparison.rows) > 1:
        by_segment = [
            [segment, *_cells(row)]
            for segment, rows in comparison.rows.items()
            for row in rows
            if row.metric == comparison.metric
        ]
        print_table(f"\n{comparison.metric} by segment", ["segment", *columns[1:]], by_segment)
    print_line("")
    print_line(f"served: {_served(comparison)}")
    print_line(f"verdict ({comparison.metric}): {_verdict_in_words(comparison)}")
    print_line(CAUSAL)
    print_not_final(comparison.not_final)


def _named(row: MetricComparison) -> str:
    return f"{row.metric} [{row.unit}]" if row.unit else row.metric


def _cells(row: MetricComparison) -> list[str]:
    difference, share = row.difference, row.relative
    ends = interval(difference.interval.low, difference.interval.high) if difference.interval else NOTHING
    relative = NOTHING if share.value is None else f"{100 * share.value:+.1f} %"
    if share.interval:
        relative += f" ({100 * share.interval.low:+.1f}..{100 * share.interval.high:+.1f})"
    values = [number(row.baseline), number(row.candidate), number(difference.value, 3)]
    return [*values, ends, relative, _VERDICTS[row.verdict]]


def _verdict_in_words(comparison: _Comparison) -> str:
    baseline, candidate = comparison.versions
    return {
        "better": f"version {candidate} is better than version {baseline}",
        "worse": f"version {candidate} is worse than version {baseline}",
        "no_difference": f"the interval contains 0: versions {baseline} and {candidate} may be equal",
        "insufficient_data": f"there are too few data to compare versions {baseline} and {candidate}",
        "no_interval": "this metric has no interval, so there is no verdict",
    }[comparison.verdict]
