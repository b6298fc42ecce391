"""A fall of a metric, explained: what it comes from, and what else changed (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitor_agent.pipeline import instants
from monitor_agent.root_causes.causes import (
    MOST_CAUSES,
    ChangedFeature,
    ComparedValue,
    DropVerdict,
    MixShift,
    WholeDifference,
    verdict,
    whole_difference,
)
from monitor_agent.root_causes.searches import Side, SideComparison
from monitor_agent.root_causes.value_sums import Change, Measure, ValueSums

MOST_FINDINGS = 20


@dataclass(frozen=True)
class OtherChange:
    """Something else that is not as before.

    Attributes
    ----------
    fact : its name, such as `coverage` or `release`.
    before, after : in words.
    """

    fact: str
    before: str
    after: str


@dataclass(frozen=True)
class ExplainedDrop:
    """The explanation of a fall.

    Attributes
    ----------
    metric : the name under which the metric is shown.
    whole : the counts of all predictions of both sides.
    rows : the findings, those that fell most first.
    causes : the values that fell more than the rest, each without the predictions of those before it.
    shift : the dimension whose mix explains the fall; None if none does.
    other_changes : what else changed.
    changed : the features whose values changed, those that changed most first.
    """

    comparison: SideComparison
    measure: Measure
    metric: str
    whole: Change
    rows: Sequence[ComparedValue]
    causes: Sequence[ComparedValue]
    shift: MixShift | None
    other_changes: Sequence[OtherChange]
    changed: Sequence[ChangedFeature] = ()

    @property
    def verdict(self) -> DropVerdict:
        """What the fall comes from."""
        return verdict(self.whole, self.measure, self.rows, self.shift, self.changed)

    @property
    def difference(self) -> float | None:
        """The change of the metric; None if a side has no value."""
        before, after = self.measure.value(self.whole.before), self.measure.value(self.whole.after)
        return None if before is None or after is None else after - before

    @property
    def change(self) -> WholeDifference | None:
        """The change with its interval; None if a side has no predictions, or the metric is no share of predictions."""
        return whole_difference(self.whole, self.measure) if self.measure.weight == 1 else None

    def change_in_words(self) -> str:
        """Return the change with its interval; empty if it has none."""
        if self.change is None:
            return ""
        text = self.measure.change_text
        low, high = text(self.change.low, unit=False), text(self.change.high)
        return f"{text(self.change.difference)}, 95 % interval {low} to {high}"

    def worst(self, count: int) -> list[ComparedValue]:
        """Return the causes, then the values that got worst against the rest, those of changed features first."""
        causes = {(row.dimension, row.value) for row in self.causes}
        further = [row for row in self.rows if row.score < 0 and (row.dimension, row.value) not in causes]
        first = {feature.dimension for feature in self.changed}
        further.sort(key=lambda row: row.dimension not in first)
        return [*self.causes, *further][:count]

    def share_of(self, finding: ComparedValue) -> float | None:
        """Return the part of the change that a finding explains."""
        return (finding.effect.rate + finding.effect.mix) / self.difference if self.difference else None

    def sentence(self) -> str:
        """Return the verdict in one sentence."""
        kind, worse = self.verdict, self.measure.worse
        if kind == "no_predictions":
            return "One side has too few predictions with known labels."
        if kind == "no_drop":
            return f"The {worse} is not larger than chance."
        if kind == "feature":
            names = _joined([feature.dimension for feature in self.changed[:MOST_CAUSES]])
            worst = f" Worst: {'; '.join(map(self._cause_in_words, self.causes))}." if self.causes else ""
            return f"The values of {names} are not as before: look there first.{worst}"
        if kind == "mix_shift" and self.shift is not None:
            return (
                f"Mix shift, no segment is worse: {self.shift.share:.0%} of the {worse} come from other shares of "
                f"{self.shift.dimension}."
            )
        if kind == "everywhere":
            return f"No segment {self.measure.has_become_worse} more than the rest: the cause acts on all of them."
        return f"{'; '.join(map(self._cause_in_words, self.causes))}."

    def _cause_in_words(self, finding: ComparedValue) -> str:
        before, after = self.measure.value(finding.change.before), self.measure.value(finding.change.after)
        share = None if self.changed else self.share_of(finding)  # values of two features have common predictions
        explained = "" if share is None else f"; it explains {share:.0%} of the {self.measure.worse}"
        return (
            f"{finding.dimension} = {finding.value} {self.measure.has_become_worse} from {before or 0:.4g} to "
            f"{after or 0:.4g}{explained}"
        )

    def document(self) -> dict[str, Any]:
        """Return the explanation as a JSON object."""
        return {
            "model_name": self.comparison.after.model,
            "model_version": self.comparison.after.version or None,
            "metric": self.metric,
            "kind": self.comparison.rule.kind,
            "age": self.comparison.rule.age_text,
            "before": _side(self, self.comparison.before, self.whole.before),
            "after": _side(self, self.comparison.after, self.whole.after),
            "difference": self.difference,
            "difference_low": self.change.low if self.change else None,
            "difference_high": self.change.high if self.change else None,
            "verdict": self.verdict,
            "sentence": self.sentence(),
            "changed_features": [vars(feature) for feature in self.changed],
            "causes": [self._finding(row) for row in self.causes],
            "mix_shift": self.shift and {"dimension": self.shift.dimension, "share": self.shift.share},
            "findings": [self._finding(row) for row in self.rows[:MOST_FINDINGS]],
            "compared": len(self.rows),
            "other_changes": [vars(other) for other in self.other_changes],
        }

    def _finding(self, row: ComparedValue) -> Mapping[str, Any]:
        return {
            "dimension": row.dimension,
            "value": row.value,
            "before": self.measure.value(row.change.before),
            "after": self.measure.value(row.change.after),
            "n_before": row.change.before.trials,
            "n_after": row.change.after.trials,
            "rate_effect": row.effect.rate,
            "mix_effect": row.effect.mix,
            "share": self.share_of(row),
            "score": row.score,
            "adjusted_p": row.adjusted_p,
            "is_a_cause": row.is_a_cause,
        }


def _joined(names: Sequence[str]) -> str:
    """Return names as a text.

    >>> _joined(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join([*([", ".join(names[:-1])] if names[1:] else []), names[-1]])


def _side(drop: ExplainedDrop, side: Side, sums: ValueSums) -> dict[str, Any]:
    return {
        "from": instants.text(side.interval.start),
        "to": instants.text(side.interval.end),
        "version": side.version or None,
        "value": drop.measure.value(sums),
        **({"successes": sums.successes} if drop.measure.is_share else {}),
        "n": sums.trials,
    }
