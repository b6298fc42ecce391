"""Which predictions of both sides count, by which labels, and what is added up of them: query bodies (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from monitor_agent.durations import format_duration
from monitor_agent.metrics.early_positives import EARLY_AGE
from monitor_agent.metrics.positive_rate import CLICK
from monitor_agent.pipeline import labels
from monitor_agent.pipeline.countable import COUNTABLE_OF_KIND
from monitor_agent.pipeline.instants import Interval
from monitor_agent.pipeline.kind_counting import TRUTH_FIELDS
from monitor_agent.pipeline.outputs import CORRECT
from monitor_agent.root_causes.value_sums import HITS, MISSES, Measure, ValueSums
from monitor_agent.settings import AgentSettings
from monitor_agent.vocabulary.prediction_kinds import BINARY, MULTICLASS

Body = dict[str, Any]

FINAL_LABELS = "final"
"""The age at which a label cannot change any more, as people write it."""

_POSITIVE, _PREDICTED, _CORRECT = "positive", "predicted", "correct"
_ERRORS, _ABOVE = "errors", "above"


@dataclass(frozen=True)
class LabelRule:
    """The rule by which predictions count, alike on both sides.

    Attributes
    ----------
    kind : the kind of the predictions.
    age : a positive is a prediction whose first positive feedback came within this time, and only predictions of at
        least this age count; None = labels count once they are final.
    """

    settings: AgentSettings
    now: datetime
    kind: str = BINARY
    age: timedelta | None = None

    def filters(self) -> list[Body]:
        """Return the filters for the predictions that count."""
        countable = COUNTABLE_OF_KIND[self.kind]
        if self.kind != BINARY:
            return [countable, labels.of_known_truth(self.settings, TRUTH_FIELDS[self.kind])]
        if self.age is not None:
            return [countable, labels.of_age(self.settings, self.now, self.age)]
        return [countable, labels.judged(self.settings, self.now), labels.labelled(self.settings)]

    def aggregations(self) -> Body:
        """Return the aggregations that `sums` reads."""
        if self.kind == MULTICLASS:
            return {_CORRECT: {"filter": {"term": {"outcome": CORRECT}}}}
        if self.kind != BINARY:
            error = "feedback.error"
            total = {"total": {"sum": {"field": error}}}
            above = {"filter": {"range": {error: {"gt": 0.0}}}, "aggs": total}
            return {_ERRORS: {"extended_stats": {"field": error}}, _ABOVE: above}
        positive = labels.positive() if self.age is None else labels.positive_within(self.age)
        predicted = {_PREDICTED: {"filter": {"term": {"prediction.label": 1}}}}
        return {**predicted, _POSITIVE: {"filter": positive, "aggs": predicted}}

    def sums(self, side: Mapping[str, Any], measure: Measure) -> ValueSums:
        """Return the sums of one side, from the answer."""
        count: int = side["doc_count"]
        if self.kind == MULTICLASS:
            hits = side[_CORRECT]["doc_count"]
            return measure.sums({HITS: hits, MISSES: count - hits})
        if self.kind != BINARY:
            errors = side[_ERRORS]
            above = side[_ABOVE]["total"]["value"] or 0.0
            absolute = 2 * above - (errors["sum"] or 0.0)
            return ValueSums(count, max(0.0, absolute), errors["sum_of_squares"] or 0.0)
        positives, tp = side[_POSITIVE]["doc_count"], side[_POSITIVE][_PREDICTED]["doc_count"]
        fp = side[_PREDICTED]["doc_count"] - tp
        return measure.sums({"tp": tp, "fp": fp, "fn": positives - tp, "tn": count - positives - fp})

    @property
    def age_text(self) -> str:
        """The age as people write it: `final`, or a time such as `5m`."""
        return FINAL_LABELS if self.age is None else format_duration(self.age)

    def in_words(self) -> str:
        """Return what counts, as a sentence."""
        window = format_duration(self.settings.attribution_window)
        if self.kind != BINARY:
            truth = "class" if self.kind == MULTICLASS else "number"
            return f"Counted: predictions whose true {truth} is known."
        if self.age is not None:
            wait = format_duration(self.age + self.settings.ingest_grace)
            positives = "clicks" if self.settings.feedback_type == CLICK else "positives"
            return (
                f"Counted on both sides: {positives} within {self.age_text} after the prediction; predictions younger "
                f"than {wait} are left out."
            )
        if labels.count_early(self.settings):
            return "Counted: predictions with a label."
        return f"Counted: final labels; predictions younger than {window} are left out."

    def remedy(self) -> str:
        """Return what to do if no prediction counts."""
        if self.kind != BINARY or labels.count_early(self.settings):
            return "the truth comes with feedback of the type label: give a range that has some"
        since = self.settings.attribution_window if self.age is None else self.age + self.settings.ingest_grace
        return f"labels are known {format_duration(since)} after a prediction: give an earlier range"


def usual_age(settings: AgentSettings, interval: Interval, now: datetime) -> timedelta | None:
    """Return the age at which the positives of an interval are counted if nobody names one; None = final labels.

    Final labels, unless most of the time is too young for them and the model can be compared at equal age.
    """
    until = min(interval.end, now)
    middle = interval.start + (until - interval.start) / 2
    is_young = middle > now - settings.attribution_window
    can = labels.judged_by_early_clicks(settings) and settings.attribution_window > EARLY_AGE
    return EARLY_AGE if is_young and can else None
