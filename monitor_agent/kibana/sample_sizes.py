"""How many events a value of a panel comes from: the searches for it, and how it is read (pure).

A panel over windows counts what its own metric counts: labelled predictions, or all predictions if it needs no labels.
A panel over curves or drift counts the values that were counted there.
A panel over documents of the product itself, such as verdicts and cycles, has no such number: they are no events.
Any other panel counts documents.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from monitor_agent.contracts.alert import ALERTS
from monitor_agent.contracts.curve import CURVES
from monitor_agent.contracts.cycle import CYCLES
from monitor_agent.contracts.drift import DRIFT
from monitor_agent.contracts.index_contract import IndexContract
from monitor_agent.contracts.performance import PERFORMANCE
from monitor_agent.contracts.release import RELEASES
from monitor_agent.contracts.restatement import RESTATEMENTS
from monitor_agent.contracts.silence import SILENCES
from monitor_agent.contracts.verdict import VERDICTS
from monitor_agent.kibana.data_views import DataView
from monitor_agent.kibana.lens import Column, Layer

SMALL = 30
"""From fewer events, a share or a mean says little: the approximations of its interval no longer hold."""
_NO_EVENTS = (ALERTS, CYCLES, RELEASES, RESTATEMENTS, SILENCES, VERDICTS)
_COUNT, _ALERTABLE = "sample-n", "sample-alertable"
_OF_PREDICTIONS = (
    *("predictions", "requests", "errors", "shown", "mature", "estimated_", "score_", "response_time", "value_mean"),
    *("queue_", "compute_", "batch_", "ndcg", "mrr", "hit_rate", "requests_without"),
)
"""Beginnings of the names of fields that need no labels, or count them otherwise."""


class Sample(NamedTuple):
    """The events behind a row.

    Attributes
    ----------
    n : their number.
    windows : the number of documents that they are read from; None where each event is a document.
    alertable : whether alerts may use one of these windows; None where rows are no windows.
    of_events : whether `n` counts events; else it counts documents, and says nothing about how sure a value is.
    """

    n: int
    windows: int | None = None
    alertable: bool | None = None
    of_events: bool = True

    @property
    def weak(self) -> bool:
        """Whether the value says little: few events, or a single window that alerts may not use."""
        return self.of_events and (self.n < SMALL or (self.windows == 1 and self.alertable is False))


def sample_aggregations(layer: Layer, view: DataView) -> dict[str, Any]:
    """Return the aggregations for the events behind each row of a layer."""
    if not layer.metrics or not (_of(view, PERFORMANCE) or _of(view, CURVES) or _of(view, DRIFT)):
        return {}
    if not _of(view, PERFORMANCE):
        return {_COUNT: {"sum": {"field": "n"}}}
    counted = {"sum": {"field": _counted_field(layer.metrics)}}
    return {_COUNT: counted, _ALERTABLE: {"filter": {"term": {"alertable": True}}}}


def read_sample(bucket: Mapping[str, Any], count: int, view: DataView) -> Sample:
    """Return the events behind the row of a bucket that holds `count` documents of a view."""
    if _COUNT not in bucket:
        return Sample(count, of_events=not any(_of(view, contract) for contract in _NO_EVENTS))
    alertable = bool(bucket[_ALERTABLE]["doc_count"]) if _ALERTABLE in bucket else None
    return Sample(round(bucket[_COUNT]["value"] or 0), count, alertable)


def _of(view: DataView, contract: IndexContract) -> bool:
    return contract.pattern in view.index.split(",")


def _counted_field(metrics: tuple[Column, ...]) -> str:
    fields = [column.field for column in metrics]
    return "predictions" if all(name.startswith(_OF_PREDICTIONS) for name in fields) else "n"
