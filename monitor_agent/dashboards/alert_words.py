"""Firings in words, for the pages about alerts (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from monitor_agent.alerting.definitions import Alert
from monitor_agent.alerting.firings import Firing
from monitor_agent.alerting.look_back import is_about
from monitor_agent.contracts.catalogue import CONTRACTS
from monitor_agent.contracts.index_contract import IndexContract
from monitor_agent.contracts.performance import segment_name
from monitor_agent.contracts.verdict import ANSWERED, AUC, F1, RATE
from monitor_agent.dashboards.formats import local_moment
from monitor_agent.dashboards.start_page import MEASURE_NAMES, length
from monitor_agent.notifying.messages import FEATURE, MIX_SHIFT, MOST, FiringFacts, LikelyCause
from monitor_agent.pipeline import instants
from monitor_agent.vocabulary.counted_nouns import counted

SHARE = "share"
THOUSAND = 1000
STATE_TITLES = {"active": "Active", "pending": "Pending", "recovered": "Recovered"}
_MEASURE_TITLES = {
    f"{RATE}_fall": "fall of the share of positives",
    f"{AUC}_fall": "fall of the AUC",
    f"{F1}_fall": "fall of F1",
    f"{ANSWERED}_fall": "fall of answered requests",
    "drift_share": "share of what has drifted",
    "f1_high": "upper end of F1",
    "orphan_rate_low": "lower end of the orphan rate",
    "error_rate_low": "lower end of the error rate",
    "response_time_p95": "response time (p95)",
    "silent_seconds": "time without events",
    "lag_seconds": "lag of the agent",
    "delivery_seconds": "time of delivery",
}
_METRIC_TITLES = {RATE: "share of positives", **MEASURE_NAMES}


def subject(firing: Firing) -> str:
    """Return the model of a firing, with the version and the segment that it is about."""
    version = f", version {firing.version}" if firing.version else ""
    segment = f", segment {segment_name(firing.segment)}" if firing.segment else ""
    return f"{firing.model or 'all models'}{version}{segment}"


def moment(at: datetime | None) -> str:
    """Return a moment for people, in the time zone of the reader."""
    return "" if at is None else local_moment(at)


def machine_time(at: datetime) -> str:
    """Return a moment for the attribute of an element `time`."""
    return instants.text(at.replace(microsecond=0))


def contract_of(alert: Alert | None) -> IndexContract | None:
    """Return the contract of the documents that an alert searches; None if they are none of the product's."""
    return next((entry for entry in CONTRACTS if alert and is_about(alert, entry.pattern)), None)


def unit_of(alert: Alert | None, measure: str) -> str:
    """Return the unit of a field of the documents that an alert searches; empty if it has none."""
    contract = contract_of(alert)
    field = contract.fields.get(measure) if contract else None
    return field.unit if field else ""


def number(value: float | None, unit: str) -> str:
    """Return a value with its unit.

    >>> number(0.31, "share"), number(400, "s"), number(0.1412345, ""), number(None, "")
    ('31 %', '400 s', '0.1412', 'not measured')
    >>> number(9374.99, "s")
    '9,375 s'
    """
    if value is None:
        return "not measured"
    if unit == SHARE:
        return f"{100 * value:.3g} %"
    text = f"{value:,.0f}" if abs(value) >= THOUSAND else f"{value:.4g}"
    return f"{text} {unit}".rstrip()


def measure_title(measure: str) -> str:
    """Return the name of a compared field for people.

    >>> measure_title("rate_fall"), measure_title("lost_lines")
    ('fall of the share of positives', 'lost lines')
    """
    return _MEASURE_TITLES.get(measure, measure.replace("_", " "))


def value_sentence(firing: Firing, alert: Alert | None) -> str:
    """Return the worst value against its limit as a sentence; empty if the alert compares no value."""
    if firing.measure is None:
        return ""
    unit = unit_of(alert, firing.measure)
    worse, _ = alert.limits().get(firing.measure, ("max", 0.0)) if alert else ("max", 0.0)
    side = "above" if worse == "max" else "below"
    name = measure_title(firing.measure)
    worst = number(firing.value, unit)
    return f"The {name} was {worst} at its worst, {side} its limit of {number(firing.limit, unit)}."


def numbers_in_words(facts: FiringFacts) -> str:
    """Return the metric behind a firing: its value, its interval or what it is compared with, and how much was counted.

    A value alone is the one that the firing already tells: then the text is empty.

    >>> numbers_in_words(FiringFacts("f1", 0.14, 0.11, 0.17, 812))
    'F1 0.14 (95 % interval 0.11 to 0.17), n = 812'
    >>> numbers_in_words(FiringFacts("rate", 0.133, 0.0184, 0.0284, 900, reference=0.1565))
    'share of positives 13.3 %, the last weeks: 15.7 % (95 % interval of the difference 1.84 to 2.84 pp), n = 900'
    """
    if facts.value is None:
        return ""
    is_share = facts.metric in (RATE, ANSWERED)

    def figure(value: float) -> str:
        if is_share:
            return number(value, SHARE)
        return f"{value:.3g}" if abs(value) < THOUSAND else number(value, "")

    pieces = [f"{_METRIC_TITLES.get(facts.metric, measure_title(facts.metric))} {figure(facts.value)}"]
    interval = None if facts.low is None or facts.high is None else (facts.low, facts.high)
    if facts.reference is not None:
        pieces[0] += f", {facts.against or 'the last weeks'}: {figure(facts.reference)}"
        if interval:
            low, high = (f"{100 * end:.3g}" if is_share else figure(end) for end in interval)
            pieces[0] += f" (95 % interval of the difference {low} to {high}{' pp' if is_share else ''})"
    elif interval:
        pieces[0] += f" (95 % interval {figure(interval[0])} to {figure(interval[1])})"
    pieces += [] if facts.n is None else [f"n = {facts.n:,}"]
    pieces += [] if facts.windows is None else [counted(facts.windows, "window")]
    pieces += [] if facts.predictions in (None, facts.n) else [counted(facts.predictions, "prediction")]
    alone = len(pieces) == 1 and not interval and facts.reference is None
    return "" if alone else ", ".join(pieces)


def cause_in_words(cause: LikelyCause) -> str:
    """Return what a fall comes from.

    >>> cause_in_words(LikelyCause("segment", "labels.scene", "home", 0.12, 0.08, 0.84))
    'Most of the fall comes from scene=home: 12 % before, 8 % now; it explains 84 % of the fall.'
    """
    share = "" if cause.share is None else f"{100 * cause.share:.3g} %"
    by_age = f" Counted by clicks within {cause.age} after the prediction." if cause.age else ""
    numbers = f"{number(cause.before, SHARE)} before, {number(cause.after, SHARE)} now"
    if cause.kind == MIX_SHIFT:
        return f"No segment is worse: {share} of the fall comes from other shares of {cause.name}.{by_age}"
    if cause.kind == FEATURE:
        more = f" and of {cause.further} more" if cause.further else ""
        worst = f" Worst: {cause.name}, {numbers}." if cause.value else ""
        return f"The values of {cause.subject}{more} are not as before: look there first.{worst}{by_age}"
    amount = "Most" if cause.share is not None and cause.share >= MOST else "A part"
    explained = f"; it explains {share} of the fall" if share else ""
    further = f" {cause.further} more fell more than the rest." if cause.further else ""
    return f"{amount} of the fall comes from {cause.name}: {numbers}{explained}.{further}{by_age}"


def state_sentence(firing: Firing, now: datetime) -> str:
    """Return since when a firing is in its state."""
    if firing.end is not None:
        return f"Recovered at {moment(firing.end)}; it lasted {length(firing.end - firing.start)}."
    if firing.active_since is None:
        return f"Pending for {length(now - firing.start)}: the condition is met, but not often enough yet."
    return f"Active for {length(now - firing.active_since)}."


def inhibited_sentence(names: Iterable[str]) -> str:
    """Return why a firing does not change its state; empty if it does."""
    joined = ", ".join(names)
    return f"Inhibited by {joined}: meanwhile it neither becomes active nor recovers." if joined else ""
