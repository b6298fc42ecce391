"""Where a model's scores crowd, so that three digits do not tell them apart: bins that are counted in a hundred parts.

Decided once for a model, and remembered: every window that begins later is counted the same way whenever it is counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from monitor_agent.metrics.score_histogram import DECADES, Histogram, ScoreDecade, refined_decade
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.windows import Window

LEAST = 1000
"""With fewer predictions nothing is decided yet."""

SHARE = 0.02
"""A bin is crowded that holds at least this share of a model's scores: fifty are at most."""


@dataclass(frozen=True)
class Crowded:
    """The crowded bins of a model; windows that begin before `since` are counted without them."""

    bins: Sequence[int] = ()
    since: datetime | None = None

    def parts(self, window: Window) -> list[ScoreDecade]:
        """Return what must be counted beside a window's bins: the parts of crowded ones, neighbours together."""
        if self.since is None or window.start < self.since:
            return []
        runs: list[list[int]] = []
        for each in sorted(self.bins):
            if runs and each == runs[-1][-1] + 1 and _decade(each) == _decade(runs[-1][0]):
                runs[-1].append(each)
            else:
                runs.append([each])
        return [refined_decade(_decade(run[0]), run[0], run[-1]) for run in runs]

    def content(self) -> dict[str, Any]:
        """Return it as it is remembered."""
        return {"bins": list(self.bins), "since": instants.text(self.since) if self.since else None}

    @classmethod
    def restored(cls, content: Mapping[str, Any]) -> Crowded:
        """Return what `content` wrote."""
        return cls(tuple(content["bins"]), instants.parse(content["since"]))


NOT_CROWDED = Crowded()


def crowded(scores: Histogram, since: datetime) -> Crowded | None:
    """Return where scores crowd; None where too few are known.

    >>> start = instants.EPOCH
    >>> crowded(Histogram.of({1069: 5000, 1070: 2000, 1200: 100}), start).bins
    (1069, 1070)
    >>> crowded(Histogram.of({1069: 5}), start) is None
    True
    """
    total = int(scores.counts.sum())
    if total < LEAST:
        return None
    return Crowded(tuple(scores.bins[np.flatnonzero(scores.counts >= SHARE * total)].tolist()), since)


def _decade(index: int) -> ScoreDecade:
    return DECADES[max(0, (index - 100) // 900)]
