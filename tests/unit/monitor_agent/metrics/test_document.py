"""The metric fields of a document: names, undefined values, intervals."""

from __future__ import annotations

import math

import hypothesis
import pytest

from monitor_agent.metrics import CATALOGUE, LogHistogram, WindowState, measure, metric_fields, of_own_kind
from monitor_agent.metrics.kinds import other_kinds
from monitor_agent.vocabulary.prediction_kinds import PREDICTION_KINDS

from .states import states

UNDEFINED = {
    "no predicted positive": (WindowState(fn=2, tn=3), {"precision": "no_predicted_positive"}),
    "no actual positive": (WindowState(fp=2, tn=3), {"recall": "no_actual_positive"}),
    "nothing positive": (WindowState(tn=3), {"f1": "no_positive"}),
    "one class": (WindowState(tp=1, scores_pos={7: 1}), {"auc": "one_class", "auc_error_bound": "one_class"}),
    "no labels": (WindowState(predictions=9), {"accuracy": "no_samples", "f1": "no_samples", "ctr": "no_samples"}),
    "no requests": (WindowState(), {"response_time_p99": "no_requests", "error_rate": "no_requests"}),
}


@pytest.mark.parametrize("case", UNDEFINED)
def test_undefined_is_null_with_its_reason(case: str) -> None:
    """A value that cannot be computed is null with the reason, never 0."""
    state, reasons = UNDEFINED[case]
    document = measure(state)

    assert reasons == {name: document[f"{name}_undefined"] for name in reasons}
    assert all(document[name] is None for name in reasons)


def test_f1_is_zero_if_there_are_only_false_positives() -> None:
    """F1 is defined if its denominator is above 0, as in scikit-learn."""
    assert measure(WindowState(fp=3, tn=1))["f1"] == 0.0


def test_an_undefined_value_has_no_interval() -> None:
    """The ends of the interval are null if the value is null."""
    document = measure(WindowState(tn=3))

    assert (document["precision_low"], document["precision_high"]) == (None, None)


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(states)
def test_values_are_finite_and_in_range(state: WindowState) -> None:
    """No state gives NaN, an infinity, or an interval without its value."""
    document = measure(state)

    for name, value in document.items():
        assert not isinstance(value, float) or math.isfinite(value), name
    for spec in CATALOGUE:
        value = document[spec.name]
        low, high = (value if limit is None else limit for limit in spec.range)
        if isinstance(value, float):
            assert low <= value <= high, spec.name
        if spec.interval is not None and value is not None and document[f"{spec.name}_low"] is not None:
            assert document[f"{spec.name}_low"] - 1e-12 <= value <= document[f"{spec.name}_high"] + 1e-12, spec.name


def test_counts_that_contradict_each_other_give_no_ratio() -> None:
    """More positives than predictions, which two searches at different moments may count, are reported."""
    document = measure(WindowState(predictions=1, predicted_positive=2))

    assert document["predicted_positive_rate_undefined"] == "inconsistent_counts"


@pytest.mark.parametrize("state", [WindowState(), WindowState(tp=1, fp=2, tn=3, fn=4)], ids=["empty", "full"])
def test_writes_only_declared_fields(state: WindowState) -> None:
    """The written fields are among the declared fields."""
    assert set(measure(state)) <= set(metric_fields())


def test_names_are_unique_and_explained() -> None:
    """Names of metrics are unique; each metric has a line of help and a source."""
    assert len(CATALOGUE) == len({spec.name for spec in CATALOGUE})
    assert all(spec.help and spec.source for spec in CATALOGUE)


def test_requests_without_durations_have_no_response_time() -> None:
    """A mean without durations is undefined even if requests were counted."""
    assert measure(WindowState(requests=2, duration=LogHistogram()))["response_time"] is None


@pytest.mark.parametrize("kind", [*PREDICTION_KINDS, "mixed_kinds", None])
def test_a_document_holds_the_metrics_of_its_kind(kind: str | None) -> None:
    """Fields of metrics of other kinds are left out; the named kinds tell which ones, without exception."""
    declared = dict.fromkeys(metric_fields(), 0)

    written = of_own_kind(CATALOGUE, declared, kind).keys()

    for spec in CATALOGUE:
        kinds = {name for name in PREDICTION_KINDS if spec.is_of(name)}
        is_written = kinds == set(PREDICTION_KINDS) or not kinds <= set(other_kinds(kind))
        assert {name in written for name in spec.fields()} == {is_written}, spec.name
    assert len(written) <= len(declared) * 0.75
