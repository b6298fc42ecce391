"""The text of messages, by a template: the first line is the title, the rest is the body (pure)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from monitor_agent.alerting.firings import Firing
from monitor_agent.contracts.performance import ALL_SEGMENT, segment_name
from monitor_agent.contracts.printable import in_width, printable
from monitor_agent.contracts.verdict import AUC, F1
from monitor_agent.errors import SettingsError, in_one_line
from monitor_agent.notifying.message_templates import message_template
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.broken_features import BrokenFeature, broken_of
from monitor_agent.settings import NotifySettings

MOST_IN_TITLE, MOST_IN_NAME = 250, 120
"""Characters of a title, and of the name in it."""
BEFORE, AFTER = timedelta(days=1), timedelta(hours=1)
"""How much time a link shows around a firing."""
SEGMENT, MIX_SHIFT, FEATURE = "segment", "mix_shift", "feature"
MOST = 0.5
"""A cause that explains at least this share of a fall explains most of it."""
_ENDS = ("_high", "_low", "_fall")


@dataclass(frozen=True)
class Message:
    """A message.

    Attributes
    ----------
    kind : `active`, `recovered`, `reminder`, `test` or `summary`.
    key : the same each time that the message is sent.
    incident : what the receiver keeps the trouble under; empty = the message is about several firings.
    """

    kind: str
    key: str
    title: str
    body: str
    incident: str = ""


@dataclass(frozen=True)
class LikelyCause:
    """What most of a fall comes from.

    Attributes
    ----------
    kind : `segment` (a value fell more than the rest), `mix_shift` (other shares of the values, none is worse) or
        `feature` (the values of a feature are not as before).
    dimension, value : such as `labels.scene` and `home`; a mix shift has no value, a feature the one that fell most.
    before, after : the metric of the value; None without a value.
    share : the part of the fall that it explains; None = unknown.
    further : how many further values fell more than the rest, or how many further features have changed.
    age : positives within this time after the prediction were counted, such as `5m`; empty = final labels were.
    """

    kind: str
    dimension: str
    value: str = ""
    before: float | None = None
    after: float | None = None
    share: float | None = None
    further: int = 0
    age: str = ""

    @property
    def subject(self) -> str:
        """The dimension as people write it."""
        return re.sub(r"^(labels|features\.(numeric|categorical))\.", "", self.dimension)

    @property
    def name(self) -> str:
        """The value with its dimension, as people write it."""
        return f"{self.subject}={self.value}" if self.value else self.subject


@dataclass(frozen=True)
class FiringFacts:
    """What a message knows beyond the firing: the numbers of the document with the worst value.

    Attributes
    ----------
    metric, value, low, high : the metric with its 95 % interval; None if the measure has none.
    n, predictions : labelled predictions and predictions of the window.
    window_start, window_end : the window; None = the value is none of a window.
    segment : the likely segment; empty = unknown.
    reference, against : what the value is compared with, and of what; None if it is compared with the limit only. Then
        the interval is that of the difference.
    fell_since : since when the value is lower than the reference.
    broken : the features that are broken at this time.
    cause : what most of the fall comes from; None = unknown.
    explain_command : the command that explains the fall, if the analysis did not finish; empty = it did.
    counted : which positives the verdict has counted, `early` or `final`; empty = there is no verdict.
    """

    metric: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    predictions: int | None = None
    windows: int | None = None
    window_start: datetime | None = None
    window_end: datetime | None = None
    segment: str = ""
    reference: float | None = None
    against: str = ""
    fell_since: datetime | None = None
    broken: Sequence[BrokenFeature] = ()
    cause: LikelyCause | None = None
    explain_command: str = ""
    counted: str = ""


def about(firing: Firing) -> str:
    """Return in a few characters what a firing is about; empty if it is about all models."""
    version = "/".join(name for name in (firing.model, firing.version) if name)
    return printable(f"{version}, {segment_name(firing.segment)}" if firing.segment else version)


def metric_of(measure: str) -> str:
    """Return the metric that a measure is an end of the interval of, or the measure itself.

    >>> metric_of("f1_high"), metric_of("lag_seconds")
    ('f1', 'lag_seconds')
    """
    return next((measure.removesuffix(end) for end in _ENDS if measure.endswith(end)), measure)


def facts_of(measure: str, document: Mapping[str, Any]) -> FiringFacts:
    """Return the facts in a document of metrics, or of a cycle."""
    metric = metric_of(measure)
    if f"{metric}_reference" in document:
        return _facts_of_verdict(metric, document)
    start, end = (document.get(name) for name in ("window_start", "window_end"))
    return FiringFacts(
        metric,
        _number(document.get(metric)),
        _number(document.get(f"{metric}_low")),
        _number(document.get(f"{metric}_high")),
        _whole(document.get("n")),
        _whole(document.get("predictions")),
        window_start=instants.parse(start) if start else None,
        window_end=instants.parse(end) if end else None,
    )


def _facts_of_verdict(metric: str, document: Mapping[str, Any]) -> FiringFacts:
    since, segment = document.get(f"{metric}_since"), str(document.get("segment") or "")
    version = document.get("against_version")
    counted = _whole(document.get(f"{metric}_samples"))
    return FiringFacts(
        metric,
        _number(document.get(metric)),
        _number(document.get(f"{metric}_drop_low")),
        _number(document.get(f"{metric}_drop_high")),
        None if metric in (AUC, F1) else counted,
        windows=counted if metric in (AUC, F1) else None,
        segment="" if segment == ALL_SEGMENT else segment,
        reference=_number(document.get(f"{metric}_reference")),
        against=f"version {version}" if version else "",
        fell_since=instants.parse(since) if since else None,
        counted=str(document.get("counted") or ""),
    )


@dataclass(frozen=True)
class Renderer:
    """Makes the texts of messages.

    Parameters
    ----------
    template : a compiled template of Jinja.
    dashboards_url : the address of the dashboards; empty = messages have no links.
    installed : the renderer of the language, for messages that a template of one's own fails for.
    """

    template: Any
    dashboards_url: str = ""
    installed: Renderer | None = None

    def message(
        self, kind: str, key: str, firings: Sequence[Firing], facts: Mapping[str, FiringFacts], now: datetime
    ) -> Message:
        """Return the message about some firings.

        Raises
        ------
        SettingsError
            If the template cannot be filled in.
        """
        rows = [_row(firing, facts.get(firing.id, FiringFacts()), self.dashboards_url, now) for firing in firings]
        groups = ({about(replace(row, group=row.group[:length])) for row in firings} for length in (3, 2, 1))
        subject = next((names.pop() for names in groups if len(names) == 1), "")
        try:
            text = self.template.render(
                kind=kind,
                key=key,
                firings=rows,
                about=in_width(subject, MOST_IN_NAME),
                critical=sum(row["severity"] == "critical" for row in rows),
            )
        except Exception as error:
            raise SettingsError(
                f"the template of the messages cannot be filled in: {in_one_line(error)}", "correct the template"
            ) from error
        title, _, body = text.strip().partition("\n")
        if not title:
            raise SettingsError("the template of the messages gives no text", "write the title into its first line")
        incident = firings[0].id if len(firings) == 1 else ""
        return Message(kind, key, in_width(title.strip(), MOST_IN_TITLE), body.strip(), incident)


def make_renderer(settings: NotifySettings) -> Renderer:
    """Return what makes the texts, by the template of the settings.

    Raises
    ------
    SettingsError
        If the template cannot be read, or is none.
    """
    installed = make_renderer(replace(settings, template="")) if settings.template else None
    return Renderer(message_template(settings), settings.dashboards_url, installed)


def dashboard_link(firing: Firing, base: str) -> str:
    """Return the link to a firing's dashboard, with its time, model, version and segment; empty without an address.

    Parameters
    ----------
    base : the address of the dashboards.
    """
    return f"{base}/dashboards/{firing.dashboard}?{dashboard_query(firing)}" if base else ""


def dashboard_query(firing: Firing) -> str:
    """Return the query of the address of a firing's dashboard: its time, model, version and segment."""
    until = "now" if firing.end is None else instants.text(firing.end + AFTER)
    query = {"from": instants.text(firing.start - BEFORE), "to": until}
    controls = {"model_name": "c.model", "model_version": "c.version", "segment": "c.segment"}
    query |= {controls[name]: value for name, value in firing.group if name in controls}
    return urlencode(query)


def with_broken_features(facts: FiringFacts, verdict: Mapping[str, Any]) -> FiringFacts:
    """Return facts with the features that a verdict calls broken."""
    return replace(facts, broken=broken_of(verdict))


def firing_link(firing: Firing, base: str) -> str:
    """Return the link to the page of a firing; empty without an address."""
    return f"{base}/alerts/{firing.id}" if base else ""


def _row(firing: Firing, facts: FiringFacts, base: str, now: datetime) -> dict[str, Any]:
    """Return what a template may say about a firing."""
    # Names come from users: in a message, each stays in its line.
    model, version = printable(firing.model), printable(firing.version)
    return {
        "id": firing.id,
        "alert": printable(firing.rule),
        "title": printable(firing.title),
        "message": printable(firing.message),
        "severity": firing.severity,
        "state": firing.state,
        "model": model,
        "version": version,
        "segment": printable(segment_name(firing.segment)),
        "about": about(firing),
        "since": firing.start,
        "active_since": firing.active_since,
        "until": firing.end,
        "lasted": _length((firing.end or now) - firing.start),
        "measure": firing.measure,
        "worst": firing.value,
        "limit": firing.limit,
        "metric": facts.metric,
        "value": facts.value,
        "low": facts.low,
        "high": facts.high,
        "n": facts.n,
        "predictions": facts.predictions,
        "windows": facts.windows,
        "window_start": facts.window_start,
        "window_end": facts.window_end,
        "likely_segment": "" if firing.segment else printable(segment_name(facts.segment)),
        "reference": facts.reference,
        "against": printable(facts.against),
        "fell_since": facts.fell_since,
        "broken": [
            {**vars(feature), "name": printable(feature.name), "text": printable(feature.sentence())}
            for feature in facts.broken
        ],
        "cause": facts.cause and _cause(facts.cause),
        "explain_command": printable(facts.explain_command),
        "inhibited_by": list(firing.inhibited_by),
        "dashboard": dashboard_link(firing, base),
        "page": firing_link(firing, base),
    }


def _cause(cause: LikelyCause) -> dict[str, Any]:
    """Return what a template may say about the cause of a fall."""
    return {
        "kind": cause.kind,
        "name": printable(cause.name),
        "subject": printable(cause.subject),
        "value": printable(cause.value),
        "before": _text_of_share(cause.before),
        "after": _text_of_share(cause.after),
        "share": _text_of_share(cause.share),
        "most": cause.share is not None and cause.share >= MOST,
        "further": cause.further,
        "age": cause.age,
    }


def _text_of_share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.3g} %"


def _length(duration: timedelta) -> str:
    """Return a length of time with its two largest units.

    >>> _length(timedelta(hours=26, minutes=5)), _length(timedelta(seconds=59))
    ('1 d 2 h', '0 min')
    """
    minutes = int(duration.total_seconds() // 60)
    days, hours = minutes // 1440, minutes // 60 % 24
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _whole(value: Any) -> int | None:
    number = _number(value)
    return None if number is None else int(number)
