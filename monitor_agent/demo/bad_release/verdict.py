"""Which version fell, since when, and how sure that is: two versions that were served side by side (pure)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from monitor_agent.metrics import WindowState, merge_all
from monitor_agent.pipeline.version_comparison import MetricComparison, compare
from monitor_agent.settings import AgentSettings

NAMED_METRICS = ("ctr", "auc", "f1")
SUPPORT = 2.0
"""Log-likelihood below the best one at which the beginning of a fall is still likely: about a 95 % interval."""
LEAST_EVIDENCE = 5.0
"""Log-likelihood ratio that a fall needs: chance gives more in about one of two hundred comparisons."""

States = Mapping[datetime, WindowState]


@dataclass(frozen=True)
class Fall:
    """A version that is worse than the version beside it.

    Attributes
    ----------
    since, earliest, latest : start of the window in which the fall most likely began, and of the first and the last
        window in which it may have begun (about 95 %).
    from_start : whether it may have begun in the version's first window.
    rows : the metrics of both versions since then, with intervals and verdicts.
    clicks_missing : clicks that the version lacks to the rate of the other one.
    """

    since: datetime
    earliest: datetime
    latest: datetime
    from_start: bool
    rows: Sequence[MetricComparison]
    clicks_missing: float


def find_fall(baseline: States, candidate: States, settings: AgentSettings) -> Fall | None:
    """Return the fall of the candidate against the baseline; None if there is none.

    The beginning is the one with the highest likelihood: before it, people click on the candidate's items as often as
    on the baseline's, and from then on at a lower rate. Source: D. V. Hinkley, "Inference about the change-point in a
    sequence of random variables", Biometrika 57 (1970).

    Parameters
    ----------
    baseline, candidate : the windows' states by their start.
    """
    common = sorted(baseline.keys() & candidate.keys())
    if not common:
        return None
    usual = _counted(baseline[start] for start in common)
    evidence = [
        _evidence(usual, _counted(candidate[start] for start in common[first:])) for first in range(len(common))
    ]
    best = max(evidence)
    if best < LEAST_EVIDENCE:
        return None
    likely = [start for start, value in zip(common, evidence, strict=True) if value >= best - SUPPORT]
    from_start = likely[0] == common[0]
    since = common[0] if from_start else common[evidence.index(best)]
    after = [start for start in common if start >= since]
    usual_state, fallen = (merge_all([states[start] for start in after]) for states in (baseline, candidate))
    rows = [row for row in compare(usual_state, fallen, settings) if row.metric in NAMED_METRICS]
    missing = usual.rate * fallen.n - fallen.positives
    return Fall(since, likely[0], likely[-1], from_start, rows, missing)


@dataclass(frozen=True)
class _Clicks:
    """Clicks, and the predictions with a label that they belong to."""

    clicks: int
    labelled: int

    @property
    def rate(self) -> float:
        return self.clicks / self.labelled if self.labelled else 0.0

    def log_likelihood(self, rate: float) -> float:
        """Return the logarithm of the likelihood of these clicks, up to a constant, if people click at a rate."""
        missed = self.labelled - self.clicks
        of_clicks = self.clicks * math.log(rate) if self.clicks else 0.0
        return of_clicks + (missed * math.log(1.0 - rate) if missed else 0.0)


def _counted(states: Iterable[WindowState]) -> _Clicks:
    counts = [(state.positives, state.n) for state in states]
    return _Clicks(sum(clicks for clicks, _ in counts), sum(labelled for _, labelled in counts))


def _evidence(usual: _Clicks, after: _Clicks) -> float:
    """Return the log-likelihood ratio of two rates against one; 0 if the rate afterwards is not lower."""
    if after.rate >= usual.rate:
        return 0.0
    together = _Clicks(usual.clicks + after.clicks, usual.labelled + after.labelled).rate
    apart = usual.log_likelihood(usual.rate) + after.log_likelihood(after.rate)
    return apart - usual.log_likelihood(together) - after.log_likelihood(together)
