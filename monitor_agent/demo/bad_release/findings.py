"""What the product found in a replayed world, in words and tables (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rich.table import Table

from monitor_agent.alerting.firings import Firing
from monitor_agent.demo.bad_release.troubles import Trouble
from monitor_agent.demo.bad_release.verdict import Fall
from monitor_agent.demo.bad_release.world import World
from monitor_agent.pipeline.version_comparison import MetricComparison

NOTHING = "-"
NAME_WIDTH = 28
LABELS = {"ctr": "clicks per prediction (CTR)", "auc": "AUC", "f1": "F1"}
_KINDS = {
    "swapped-features": "version {version} of {model} reads price and popularity in the wrong order",
    "outage": "outage: no service answers for {hours} h",
    "slow-answers": "{model} answers {size:.0f} times as slowly for {hours} h",
    "lost-lines": "{size:.0f} lines of the service {model} are lost",
}


@dataclass(frozen=True)
class Findings:
    """The result of a replay.

    Attributes
    ----------
    predictions, clicks, lost : lines written, and lines of them that never arrive.
    fall : what the comparison of the two versions says; None = nothing fell.
    firings : all firings that became active, the oldest first.
    """

    world: World
    predictions: int
    clicks: int
    lost: int
    fall: Fall | None
    firings: Sequence[Firing]

    def firing_of(self, trouble: Trouble) -> Firing | None:
        """Return the first firing of the alert that a trouble must raise."""
        start = trouble.start(self.world.start)
        fitting = (firing for firing in self.firings if firing.rule == trouble.alert and _is_about(firing, trouble))
        return next((firing for firing in fitting if firing.active_since and firing.active_since >= start), None)

    def further_firings(self) -> list[Firing]:
        """Return the firings that no planted trouble explains."""
        explained = {firing.id for trouble in self.world.troubles if (firing := self.firing_of(trouble))}
        return [firing for firing in self.firings if firing.id not in explained]


def verdict_lines(findings: Findings) -> Iterator[str]:
    """Yield the lines that say which version fell, since when, and how sure that is."""
    rollout, fall = findings.world.rollout, findings.fall
    (baseline,) = [model.version for model in findings.world.models if model.name == rollout.model]
    if fall is None:
        yield f"No fall: version {rollout.version} of {rollout.model} is as good as version {baseline}."
        return
    yield f"Version {rollout.version} of the model {rollout.model} fell: it is worse than version {baseline} beside it."
    yield _row("since", _since(fall))
    for row in fall.rows:
        yield _row(LABELS[row.metric], _comparison(row))
    yield _row("clicks", f"about {fall.clicks_missing:,.0f} are missing since then")
    for trouble in findings.world.troubles:
        if trouble.kind == "swapped-features":
            yield _row("alert", _alert(findings.firing_of(trouble), trouble.start(findings.world.start)))


def troubles_table(findings: Findings) -> Table:
    """Return the table of planted trouble, with the alert that fired for each."""
    table = Table(
        title="planted, and what the alerts said", title_justify="left", title_style="bold", box=None, pad_edge=False
    )
    for name in ("from (UTC)", "trouble", "alert", "active since", "after", "recovered"):
        table.add_column(name, no_wrap=name != "trouble")
    for trouble in findings.world.troubles:
        start = trouble.start(findings.world.start)
        firing = findings.firing_of(trouble)
        since, end = (firing.active_since, firing.end) if firing else (None, None)
        words = _KINDS[trouble.kind].format(
            model=trouble.model, version=trouble.version, size=trouble.size, hours=trouble.hours
        )
        table.add_row(
            moment(start),
            words,
            trouble.alert,
            moment(since) if since else "not fired",
            length(since - start) if since else NOTHING,
            moment(end) if end else "still active" if since else NOTHING,
        )
    return table


def further_lines(findings: Findings) -> Iterator[str]:
    """Yield the alerts that no planted trouble explains at once, with what they are about and their times."""
    for number, firing in enumerate(findings.further_firings()):
        about = " ".join(value for _, value in firing.group) or "all models"
        since = moment(firing.active_since) if firing.active_since else NOTHING
        end = f"recovered {moment(firing.end)}" if firing.end else "still active"
        yield (
            f"{'' if number else 'further alerts'}".ljust(16) + f"{firing.rule} of {about}, active since {since}, {end}"
        )


def moment(time: datetime) -> str:
    """Return a time for people: `11-27 10:00`."""
    return f"{time:%m-%d %H:%M}"


def length(time: timedelta) -> str:
    """Return a length of time for people.

    >>> length(timedelta(hours=2, minutes=35))
    '2 h 35 min'
    """
    hours, minutes = divmod(int(time.total_seconds()) // 60, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


def _row(name: str, text: str) -> str:
    return f"  {name:<{NAME_WIDTH}} {text}"


def _since(fall: Fall) -> str:
    began = f"{fall.since:%Y-%m-%d %H:%M} UTC"
    if fall.from_start:
        return f"{began}, its first hour: it has never been as good"
    return f"{began} (95 %: between {moment(fall.earliest)} and {moment(fall.latest)})"


def _comparison(row: MetricComparison) -> str:
    difference = row.difference
    values = " -> ".join(NOTHING if value is None else f"{value:.3f}" for value in (row.baseline, row.candidate))
    interval = (
        f" (95 % interval {difference.interval.low:+.3f} to {difference.interval.high:+.3f})"
        if difference.interval
        else ""
    )
    change = NOTHING if difference.value is None else f"{difference.value:+.3f}"
    return f"{values}: {change}{interval}"


def _alert(firing: Firing | None, start: datetime) -> str:
    if firing is None or firing.active_since is None:
        return "none fired"
    inhibition = f"; now inhibited by {', '.join(firing.inhibited_by)}" if firing.inhibited_by else ""
    return (
        f"{firing.rule}, {firing.state} since {moment(firing.active_since)} UTC,"
        f" {length(firing.active_since - start)} after the release: {firing.message}{inhibition}"
    )


def _is_about(firing: Firing, trouble: Trouble) -> bool:
    values = dict(firing.group)
    return values.get("model_name", trouble.model) == trouble.model and (
        values.get("model_version", trouble.version) == trouble.version
    )
