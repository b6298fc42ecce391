"""Why stored events are not counted: the reasons, and how an answer gives them."""

from __future__ import annotations

import pytest

from monitor_agent.contracts.deadletter import REASONS
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.contracts.request_error import ERRORS
from monitor_agent.pipeline.countable import counts_by_reason, set_aside


def test_the_reasons_are_those_of_dead_letters() -> None:
    """The same fault has the same name, whether the pipeline or the agent finds it."""
    of_predictions = set_aside(PREDICTIONS)["aggs"]["binary"]["aggs"]["reasons"]["filters"]["filters"]
    of_errors = set_aside(ERRORS)["aggs"]["reasons"]["filters"]["filters"]

    assert set(of_errors) | set(of_predictions) <= set(REASONS)
    assert {"bad model.version", "bad event.duration"} <= set(of_errors) & set(of_predictions)


@pytest.mark.parametrize(
    ("kinds", "further", "expected"),
    [
        ([], 0, {"bad prediction.score": 2}),
        ([("clusters", 3), ("ranking", 1)], 5, {"kind clusters": 3, "kind ranking": 1, "other kinds": 5}),
    ],
)
def test_predictions_of_other_kinds_are_counted_by_kind(
    kinds: list[tuple[str, int]], further: int, expected: dict[str, int]
) -> None:
    """A prediction of another kind has this one reason, and very many kinds are added up."""
    buckets = [{"key": kind, "doc_count": count} for kind, count in kinds]
    answer = {
        "of_other_kind": {"kinds": {"buckets": buckets, "sum_other_doc_count": further}},
        "binary": {
            "reasons": {"buckets": {"bad prediction.score": {"doc_count": 2}, "bad model.name": {"doc_count": 0}}}
        },
    }

    assert counts_by_reason(answer) == {"bad prediction.score": 2, **expected}
