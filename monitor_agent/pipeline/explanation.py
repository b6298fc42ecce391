"""A metrics document in words: how final it is, how predictions became labels, why metrics have no value (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitor_agent.contracts.deadletter import REASONS as FAULTS
from monitor_agent.contracts.model_names import ALL_VERSIONS
from monitor_agent.contracts.performance import ALL_SEGMENT, PARTIAL_LABELS, SELECTED_LABELS, STATES
from monitor_agent.durations import format_duration
from monitor_agent.metrics import CATALOGUE, MetricSpec
from monitor_agent.metrics.ranking import NOT_JUDGED_REASONS
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.windows import Calendar
from monitor_agent.settings import AgentSettings
from monitor_agent.vocabulary.prediction_kinds import BINARY

Document = Mapping[str, Any]

_FINALITY = dict(
    zip(
        STATES,
        (
            "it has not ended: predictions still arrive",
            "it has ended, but labels may still arrive in time",
            "no label can arrive in time any more",
            "it was final, and late events have changed it",
        ),
        strict=True,
    )
)

REASONS = {
    "judged_by_click": "the model is judged by clicks: see `ctr`",
    "judged_by_purchase": "the model is judged by purchases: see `positive_rate`",
    "judged_by_label": "the model is judged by labels: see `positive_rate`",
    "all_labelled": "all labels are known",
    "one_score": "all scores are the same",
    "binary": "the predictions are binary",
    "multiclass": "the predictions are multiclass",
    "regression": "the predictions are numbers",
    "mixed_kinds": "the predictions are of several kinds: a metric of one kind would be wrong",
    "no_scores": "the predictions carry no scores of the classes",
    "too_many_classes": "the predictions carry scores of more classes than are counted",
    "constant_truth": "all true numbers are the same",
    "zero_truth": "all true numbers are 0",
    "above_last_edge": "the time is longer than the histogram of times resolves",
    "below_first_edge": "the time is shorter than the histogram of times resolves",
    "earlier_release": "an earlier release counted the window: `monitor-agent backfill` counts it again",
    "immature": "labels of shown predictions may still arrive",
    "infinite_sum": "a sum is too large for a number: a value is far out of its range",
    "inconsistent_counts": "counts that were read at different moments contradict each other",
    "insufficient_data": "there are too few samples",
    "more_conversions_than_clicks": "an earlier release counted purchases that came without their clicks",
    "no_actual_negative": "no known label is 0",
    "no_actual_positive": "no known label is 1",
    "no_clicked_requests": "no ranked list that is judged has a click",
    "no_clicks": "there is no click",
    "no_feedback": "there is no feedback",
    "no_impressions": "there is no impression",
    "no_positive": "no known label is 1, and no prediction is 1",
    "no_predicted_positive": "no prediction with a known label is 1",
    "no_predictions": "there is no prediction",
    "no_propensity": "the predictions carry no propensity",
    "no_ranked_requests": "no ranked list can be judged",
    "no_requests": "there is no request",
    "no_samples": "no label is known",
    "no_window_length": "the length of the window is unknown",
    "nothing_expected": "the scores expect no positive at all",
    "one_class": "all known labels are the same",
    "one_predicted_class": "all predictions with a known label are the same",
    "too_few_requests": "there are too few requests",
}
"""Reason of an undefined metric -> its meaning."""


SELECTION_WARNINGS = {
    PARTIAL_LABELS: "few labels are known: the metrics describe all predictions only if these are a random part",
    SELECTED_LABELS: "few labels are known, and of predictions with other scores: the metrics describe only these",
}
"""Value of `selection_warning` -> its meaning."""


@dataclass(frozen=True)
class ExplanationSection:
    """A section of the explanation.

    Attributes
    ----------
    title : its heading.
    lines : (name, value, remark).
    """

    title: str
    lines: Sequence[tuple[str, str, str]]


def explain(
    identifier: str,
    document: Document,
    restatements: Sequence[Document],
    not_counted: Mapping[str, int],
    calendar: Calendar,
    settings: AgentSettings,
) -> list[ExplanationSection]:
    """Return the explanation of a metrics document.

    Parameters
    ----------
    identifier : its `_id`.
    restatements : its former contents, the oldest first.
    not_counted : reason -> number of stored events in its window that do not count.
    """
    sections = [
        _about(identifier, document, calendar),
        _funnel(document, settings),
        _feedback(document, settings),
        *_lists(document),
        _gates(document, settings),
        ExplanationSection(
            "metrics", [_metric(spec, document) for spec in _specs() if document.get(spec.name) is not None]
        ),
        _undefined(document),
    ]
    if not_counted:
        lines = [(reason, str(count), FAULTS.get(reason, "")) for reason, count in not_counted.items()]
        sections.append(ExplanationSection("stored, but not counted", lines))
    if restatements:
        sections.append(_history(document, restatements))
    return sections


def _about(identifier: str, document: Document, calendar: Calendar) -> ExplanationSection:
    version = "all versions" if document["model_version"] == ALL_VERSIONS else f"version {document['model_version']}"
    segment = "everything" if document["segment"] == ALL_SEGMENT else document["segment"]
    lines = [
        ("model", document["model_name"], version),
        ("predictions are", document.get("prediction_kind") or BINARY, ""),
        ("segment", segment, ""),
        ("window", document["window_size"], f"{document['window_start']} to {document['window_end']}"),
        ("state", document["state"], _FINALITY[document["state"]]),
        ("revision", str(document["revision"]), "how often its content was written"),
    ]
    if document["state"] in STATES[:2] and document["window_size"] in calendar.names:
        window = calendar.window(document["window_size"], instants.parse(document["window_start"]))
        lines.append(
            ("final at", instants.text(calendar.final_at(window)), "end of the window + attribution window + grace")
        )
    return ExplanationSection(identifier, lines)


def _funnel(document: Document, settings: AgentSettings) -> ExplanationSection:
    predictions, impressions, mature = document["predictions"], document["shown"], document["mature"]
    attribution = format_duration(settings.attribution_window)
    not_displayed = "scored in shadow, or no event confirms the impression"
    # Earlier releases did not count labels early, and wrote no such number.
    early = document.get("judged_early") or 0
    unknown = "the label is not known yet, or did not come in time" if early else "the label is unknown"
    return ExplanationSection(
        "from predictions to labels",
        [
            ("predictions", str(predictions), "made in the window"),
            ("shown", str(impressions), _fewer(predictions - impressions, not_displayed)),
            ("mature", str(mature), _fewer(impressions - mature, f"younger than {attribution}")),
            ("labelled", str(document["n"]), _fewer(mature + early - document["n"], unknown)),
            *(_labels(document) if _is_binary(document) else ()),
            *_selection(document),
        ],
    )


def _is_binary(document: Document) -> bool:
    """Return whether the predictions are binary; earlier releases counted no others."""
    return document.get("prediction_kind") in (None, BINARY)


def _labels(document: Document) -> Iterator[tuple[str, str, str]]:
    tp, fn, fp, tn = (_count(document, name) for name in ("tp", "fn", "fp", "tn"))
    yield "positive", str(tp + fn), f"tp {tp}, fn {fn}"
    yield "negative", str(fp + tn), f"fp {fp}, tn {tn}"


def _count(document: Document, name: str) -> int:
    """Return a count of binary predictions; a document without predictions has none."""
    return document.get(name) or 0


def _selection(document: Document) -> Iterator[tuple[str, str, str]]:
    """Yield the warning that the labelled predictions may not be like the others."""
    warning = document.get("selection_warning")
    if warning:
        yield "warning", warning, SELECTION_WARNINGS[warning]


def _fewer(count: int, why: str) -> str:
    return f"{count} fewer: {why}" if count else "all of them"


def _feedback(document: Document, settings: AgentSettings) -> ExplanationSection:
    attribution, horizon = format_duration(settings.attribution_window), format_duration(settings.orphan_horizon)
    meanings = {
        "matched": "counts for its prediction",
        "duplicate": "repeats another event, or was taken back or replaced by a later one; not counted",
        "too_late": f"more than {attribution} after its prediction, not counted",
        "orphan": f"its prediction did not arrive within {horizon}",
    }
    return ExplanationSection(
        "feedback on these predictions", [(name, str(document[name]), why) for name, why in meanings.items()]
    )


def _lists(document: Document) -> Iterator[ExplanationSection]:
    """Yield the section about ranked lists, if the window has any; earlier releases did not count them."""
    judged, clicked, not_judged = (
        document.get(name) or 0 for name in ("ranked_requests", "clicked_requests", "requests_not_judged")
    )
    if judged or not_judged:
        reasons = [NOT_JUDGED_REASONS.get(name, name) for name in document.get("requests_not_judged_reasons") or ()]
        lines = [
            ("judged", str(judged), "begun in the window"),
            ("clicked", str(clicked), "the ranking metrics are means over these"),
            ("not judged", str(not_judged), "; ".join(reasons)),
        ]
        yield ExplanationSection("ranked lists", lines)


def _gates(document: Document, settings: AgentSettings) -> ExplanationSection:
    name, labels = "positives", _count(document, "tp") + _count(document, "fn")
    if not _is_binary(document):
        name, labels = "labels", document["n"]
    gates = (
        (name, float(labels), float(settings.gate_positives)),
        ("coverage", document["coverage"], settings.gate_coverage),
        ("maturity", document["maturity"], settings.gate_maturity),
    )
    lines = [
        (name, _number(value), ("reaches" if (value or 0.0) >= needed else "does not reach") + f" {needed:g}")
        for name, value, needed in gates
    ]
    verdict = "yes" if document["alertable"] else "no"
    return ExplanationSection(
        "may alerts use this window?",
        [*lines, ("alertable", verdict, "yes if all three reach their limits and few lines are lost")],
    )


def _specs() -> list[MetricSpec]:
    return [spec for spec in CATALOGUE if spec.kind != "count"]


def _undefined(document: Document) -> ExplanationSection:
    by_reason: dict[str, list[str]] = {}
    for spec in _specs():
        if document.get(spec.name) is None:
            reason = str(document.get(f"{spec.name}_undefined") or _reason_of_absence(spec, document))
            by_reason.setdefault(reason, []).append(spec.name)
    return ExplanationSection(
        "without a value", [(REASONS.get(reason, reason), "", ", ".join(names)) for reason, names in by_reason.items()]
    )


def _reason_of_absence(spec: MetricSpec, document: Document) -> str:
    """Return why a document has not even a reason of a metric; earlier releases left out what they did not know."""
    kind = document.get("prediction_kind")
    if "without_metrics_of" not in document or spec.is_of(kind):
        return "not computed"
    return kind or "no_predictions"


def _metric(spec: MetricSpec, document: Document) -> tuple[str, str, str]:
    value = document[spec.name]
    unit = "" if spec.unit == "1" else f" {spec.unit}"
    low, high = document.get(f"{spec.name}_low"), document.get(f"{spec.name}_high")
    interval = "" if low is None or high is None else f"95 % interval {_number(low)} to {_number(high)}"
    return spec.name, _number(value) + unit, interval


def _history(document: Document, restatements: Sequence[Document]) -> ExplanationSection:
    lines = []
    later_documents = [*[restatement["document"] for restatement in restatements[1:]], document]
    for restatement, after in zip(restatements, later_documents, strict=True):
        before = restatement["document"]
        differences = [
            f"{name} {before.get(name)} -> {after.get(name)}"
            for name in ("predictions", "n", "tp", "fn", "fp", "tn", "errors")
            if before.get(name) != after.get(name)
        ]
        lines.append((f"revision {restatement['revision']}", restatement["reason"], ", ".join(differences)))
    return ExplanationSection("former contents", lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"
