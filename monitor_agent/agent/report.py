"""What a cycle or a backfill did."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from monitor_agent.agent.recompute import Tally
from monitor_agent.pipeline.releases import Release


@dataclass
class Report:
    """What a cycle or a backfill did.

    Attributes
    ----------
    tally : windows computed and documents written.
    feedback : how many feedback events met each fate.
    deleted : expired indices.
    releases : versions that were seen for the first time.
    models : models that were seen and have no lease yet.
    requests : requests to Elasticsearch.
    seconds : how long it took.
    """

    tally: Tally = field(default_factory=Tally)
    feedback: Counter[str] = field(default_factory=Counter)
    deleted: list[str] = field(default_factory=list)
    releases: list[Release] = field(default_factory=list)
    models: set[str] = field(default_factory=set)
    requests: int = 0
    seconds: float = 0.0

    def add(self, more: Tally) -> None:
        """Take in what was computed."""
        self.tally.windows += more.windows
        self.tally.merged += more.merged
        self.tally.written += more.written
        self.tally.restated += more.restated
