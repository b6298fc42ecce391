"""The report of a cycle or a backfill: what it did."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from monitor_agent.pipeline.failure_scopes import Failure
from monitor_agent.pipeline.releases import Release


@dataclass
class Tally:
    """How many windows were computed and documents written.

    Attributes
    ----------
    windows : base windows counted.
    merged : larger windows merged.
    written : metrics documents written.
    restated : documents written that had been final.
    unrestated : larger windows that keep the numbers of earlier settings, because events of them are deleted.
    """

    windows: int = 0
    merged: int = 0
    written: int = 0
    restated: int = 0
    unrestated: int = 0

    def add(self, more: Tally) -> None:
        """Add another tally to this one."""
        self.windows += more.windows
        self.merged += more.merged
        self.written += more.written
        self.restated += more.restated
        self.unrestated += more.unrestated


@dataclass
class CycleReport:
    """What a cycle or a backfill did.

    Attributes
    ----------
    tally : windows computed and documents written.
    feedback : number of feedback events by the status that they got.
    not_counted : number of stored predictions and errors that cannot be counted, by reason; None = another agent's
        work.
    deleted : indices deleted because they were expired.
    releases : versions that the agent has met for the first time.
    models : models without a lease that the agent has met.
    failures : the models, and the steps of the cycle, that failed and will be tried again.
    requests : number of requests to Elasticsearch.
    seconds : how long it took.
    """

    tally: Tally = field(default_factory=Tally)
    feedback: Counter[str] = field(default_factory=Counter)
    not_counted: Counter[str] | None = None
    deleted: list[str] = field(default_factory=list)
    releases: list[Release] = field(default_factory=list)
    models: set[str] = field(default_factory=set)
    failures: list[Failure] = field(default_factory=list)
    requests: int = 0
    seconds: float = 0.0

    @property
    def failed_models(self) -> list[str]:
        """The models that failed, sorted."""
        return sorted(failure.model for failure in self.failures if failure.model)
