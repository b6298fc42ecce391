"""Where the scores of a model need a finer resolution than three digits: bins that are counted in a hundred parts.

The refined bins of a model are chosen once and remembered. Every window that begins later is counted with them, so the
result does not depend on when the window is counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitor_agent.metrics.score_histogram import DECADES, Histogram, ScoreDecade, refined_decade, score_bins
from monitor_agent.metrics.score_tails import LOW_TAIL
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.windows import Window

MIN_PREDICTIONS = 1000
"""With fewer predictions no bins are chosen yet."""

MIN_SHARE = 0.02
"""A bin is refined if it holds at least this share of a model's scores: at most fifty bins are."""


_FROM_0_99 = int(score_bins(0.99))


@dataclass(frozen=True)
class RefinedBins:
    """The refined bins of a model.

    Attributes
    ----------
    bins : numbers of the bins in the score histogram.
    since : windows that begin earlier are counted without refined bins; None = all windows are.
    """

    bins: Sequence[int] = ()
    since: datetime | None = None

    def decades(self, window: Window) -> list[ScoreDecade]:
        """Return the fine histograms that a window is counted with; neighbouring bins share a histogram."""
        if self.since is None or window.start < self.since:
            return []
        runs: list[list[int]] = []
        for index in sorted(self.bins):
            if runs and index == runs[-1][-1] + 1 and _decade(index) == _decade(runs[-1][0]):
                runs[-1].append(index)
            else:
                runs.append([index])
        return [refined_decade(_decade(run[0]), run[0], run[-1]) for run in runs]

    def content(self) -> dict[str, Any]:
        """Return the content of the state document."""
        return {"bins": list(self.bins), "since": instants.text(self.since) if self.since else None}

    @classmethod
    def from_content(cls, content: Mapping[str, Any]) -> RefinedBins:
        """Return the refined bins that `content` wrote."""
        return cls(tuple(content["bins"]), instants.parse(content["since"]))


NO_REFINED_BINS = RefinedBins()


def refined_bins(scores: Histogram, since: datetime) -> RefinedBins | None:
    """Return the bins that hold many of the scores; None if there are too few scores to choose.

    >>> start = instants.EPOCH
    >>> refined_bins(Histogram.of({1069: 5000, 1070: 2000, 1200: 100}), start).bins
    (1069, 1070)
    >>> refined_bins(Histogram.of({1069: 5}), start) is None
    True
    """
    total = int(scores.counts.sum())
    if total < MIN_PREDICTIONS:
        return None
    # The cells of the tails are narrower than refined bins below 0.0001 and from 0.99 on.
    in_tails = (scores.bins < LOW_TAIL.stop) | (scores.bins >= _FROM_0_99)
    return RefinedBins(tuple(scores.bins[(scores.counts >= MIN_SHARE * total) & ~in_tails].tolist()), since)


def _decade(index: int) -> ScoreDecade:
    return DECADES[max(0, (index - 100) // 900)]
