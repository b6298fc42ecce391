"""The cases, the model and the labels of the scenario `medical`."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score

from monitor_agent.demo.medical.cases import linear_model, read_cases, split, visits
from monitor_agent.demo.medical.scenario import agent_settings, selection_lines
from monitor_agent.settings import AgentSettings
from tests.factories import START


def test_the_file_holds_the_data_of_scikit_learn() -> None:
    """Every measurement and every diagnosis is the same."""
    reference = load_breast_cancer()
    cases = read_cases()

    assert [name.replace("_", " ") for name in cases[0].features] == list(reference.feature_names)
    assert np.array_equal(np.array([list(case.features.values()) for case in cases]), reference.data)
    assert [case.truth for case in cases] == [
        int(reference.target_names[label] == "malignant") for label in reference.target
    ]


def test_the_model_tells_the_later_cases_apart() -> None:
    """A case of the training never comes to the model again; the scores of the others rank nearly perfectly."""
    training, later = split(read_cases())
    model = linear_model(training)
    rows = np.array([list(case.features.values()) for case in later])
    scores = rows @ np.array(model["weights"]) + model["intercept"]

    assert (len(training), len(later)) == (250, 319)
    assert not {id(case) for case in training} & {id(case) for case in later}
    assert roc_auc_score([case.truth for case in later], scores) > 0.98


def test_labels_come_for_a_third_of_the_cases_within_the_attribution_window() -> None:
    """Suspicious cases are labelled more often; nobody's label is too late."""
    planned = visits(split(read_cases())[1], START)
    by_truth = [visit.label_after[visit.case.truth] for visit in planned]
    labelled = [delay for delay in by_truth if delay is not None]

    assert [visit.moment for visit in planned] == sorted(visit.moment for visit in planned)
    assert len(labelled) / len(planned) == pytest.approx(0.3, abs=0.05)
    assert (
        timedelta(days=3) <= min(labelled) < max(labelled) <= timedelta(days=12) < agent_settings().attribution_window
    )
    assert agent_settings().absent_feedback == "unknown" != AgentSettings().absent_feedback


def test_the_last_lines_name_what_the_labels_cannot_say() -> None:
    """The share of labels, and the numbers over all cases."""
    words = "\n".join(selection_lines([(1, 1), (0, 1), (0, 0), (0, 0)], 1))

    assert "1 of 4 cases (25 %)" in words
    assert "accuracy 0.750, recall 0.500 over all 4" in words
