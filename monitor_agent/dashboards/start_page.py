"""The start page in words: what is wrong, since when, and each model's row."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import urlencode

from monitor_agent.contracts.alert import STATE_ACTIVE
from monitor_agent.contracts.verdict import ANSWERED, AUC, F1, OLDER_VERSION, RATE
from monitor_agent.dashboards.formats import local_moment
from monitor_agent.es.gateway import Gateway
from monitor_agent.pipeline.model_overview import (
    FallenMeasure,
    FigureOfADay,
    ModelRow,
    Overview,
    VersionRow,
    overview,
    searches,
)
from monitor_agent.vocabulary.counted_nouns import counted

_TITLES = {"ctr": "CTR", "positive_rate": "Positive rate", "accuracy": "Accuracy", "mae": "MAE"}
MEASURE_NAMES = {AUC: "AUC", F1: "F1", ANSWERED: "share of answered requests"}
_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"))
STATE_WORDS = {"critical": "Critical", "warning": "Warning", "silent": "Silent", "ok": "All right"}


def read_overview(gateway: Gateway, now: datetime) -> Overview:
    """Return the overview of all models, by one request."""
    return overview(gateway.msearch(searches(now)), now)


def length(duration: timedelta) -> str:
    """Return a length of time in its two largest units.

    >>> length(timedelta(hours=26)), length(timedelta(minutes=4)), length(timedelta(seconds=3))
    ('1 d 2 h', '4 min', 'less than a minute')
    """
    seconds = int(duration.total_seconds())
    for (size, name), (smaller, smaller_name) in zip(_UNITS, (*_UNITS[1:], (1, "s")), strict=True):
        if seconds >= size:
            rest = seconds % size // smaller if smaller > 1 else 0
            return f"{seconds // size} {name}" + (f" {rest} {smaller_name}" if rest else "")
    return "less than a minute"


def age(moment: datetime | None, now: datetime) -> str:
    """Return how long ago a moment was, in its two largest units.

    >>> from datetime import timezone
    >>> noon = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
    >>> age(noon - timedelta(hours=30), noon), age(noon - timedelta(seconds=4), noon), age(None, noon)
    ('1 d 6 h ago', 'just now', 'not within 30 days')
    """
    if moment is None:
        return "not within 30 days"
    return "just now" if now - moment < timedelta(minutes=1) else f"{length(now - moment)} ago"


def percent(value: float | None) -> str:
    """Return a share in per cent; a share that was not measured is no 0 %.

    >>> percent(0.11), percent(0.0812), percent(None), percent(0), percent(1)
    ('11.0 %', '8.12 %', 'not measured', '0 %', '100 %')
    """
    if value is None:
        return "not measured"
    return f"{100 * value:#.3g}".rstrip(".") + " %" if value else "0 %"


def figure(value: FigureOfADay) -> str:
    """Return a headline metric in words."""
    return percent(value.value) if value.is_share or value.value is None else f"{value.value:.4g}"


def bounds(value: FigureOfADay) -> str:
    """Return the interval of a headline metric; empty if it has none."""
    return f"{percent(value.interval.low)} to {percent(value.interval.high)}" if value.interval else ""


def change(value: FigureOfADay, reference: FigureOfADay) -> str:
    """Return the difference of two figures, of shares in percentage points; empty if one was not measured."""
    if value.value is None or reference.value is None or value.name != reference.name:
        return ""
    difference = value.value - reference.value
    return f"{100 * difference:+.2f} pp" if value.is_share else f"{difference:+.4g}"


def figure_title(value: FigureOfADay) -> str:
    """Return the name of a headline metric."""
    return _TITLES[value.name]


def fall(measure: FallenMeasure, headline_figure: FigureOfADay) -> str:
    """Return one measure's fall in words."""
    name = figure_title(headline_figure) if measure.name == RATE else MEASURE_NAMES[measure.name]
    lower = 1 - measure.value / measure.reference if measure.reference else 0
    numbers = (
        f"{percent(measure.value)} against {percent(measure.reference)}"
        if measure.name in (RATE, ANSWERED)
        else f"{measure.value:.3f} against {measure.reference:.3f}"
    )
    return f"{name} {100 * lower:.0f} % lower: {numbers}"


def reference_of(row: VersionRow) -> str:
    """Return in words what a version is compared with."""
    if not row.against:
        return "not compared yet"
    return f"version {row.against_version}" if row.against == OLDER_VERSION else "its last weeks"


def since(measure: FallenMeasure) -> str:
    """Return when a fall began, in the time zone of the reader."""
    return local_moment(measure.since, "%d %b %H:%M")


def verdict_of(row: VersionRow, now: datetime) -> str:
    """Return the verdict on a version in words; an old one says how old it is."""
    if not row.against:
        return "not compared yet"
    if row.old_verdict:
        then = "worse" if row.old_verdict.fell else "not worse"
        return f"last compared {age(row.old_verdict.at, now)}: then {then} than {reference_of(row)}"
    return "" if row.fallen else f"not worse than {reference_of(row)}"


def headline(page: Overview) -> str:
    """Return the first sentence of the page."""
    active = sum(firing.state == STATE_ACTIVE for firing in page.firings)
    count = len(page.troubled)
    if not page.models and not page.firings:
        return "No model has sent predictions within 30 days."
    if not count and not active:
        return "Everything is all right." if len(page.models) > 1 else "The model is all right."
    needing = f"{count} of {counted(len(page.models), 'model')} {'needs' if count == 1 else 'need'} attention"
    on_all = f", and {active} {'alert is' if active == 1 else 'alerts are'} active on all models" if active else ""
    return f"{needing if count else 'All models are all right'}{on_all}."


def place(row: ModelRow, page: Overview, version: str = "", start: datetime | None = None) -> str:
    """Return the query of a dashboard's address: the model, a version, and the time since the trouble began."""
    first = min(start - timedelta(hours=12), page.now - timedelta(days=1)) if start else page.now - timedelta(days=1)
    chosen = {"c.model": row.name, **({"c.version": version} if version else {})}
    return urlencode({"from": f"{first:%Y-%m-%dT%H:%M:%SZ}", "to": "now", **chosen})


def question(row: ModelRow, version: VersionRow, measure: FallenMeasure) -> str:
    """Return the query of the page that explains a fall of a version."""
    against = version.against_version if version.against == OLDER_VERSION else "last-week"
    since = f"{measure.since:%Y-%m-%dT%H:%M:%SZ}"
    metric = measure.name if measure.name == F1 else "positive_rate"
    return urlencode(
        {
            "model": row.name,
            "version": version.version,
            "from": since,
            "to": "now",
            "against": against,
            "metric": metric,
        }
    )
