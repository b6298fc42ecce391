"""The model card of a training run: a pure function of options and data, without a clock."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from model_server.cards.card_file import Card, table
from model_server.evaluation.analysis import Analysis
from model_server.training.calibration import MAX_FLAGGED, MIN_RECALL
from model_server.training.fitting import FitOutcome
from model_server.training.options import TrainOptions
from monitor_agent.extras import version_of

PACKAGES = ("model-monitor", "tensorflow", "tensorflow-text", "tensorflow-hub", "numpy")
CROSS_VALIDATION, VALIDATION = "cross-validation", "validation rows"
USE = {
    "primary": ["Gives the probability that the label of a pair of texts is 1, such as that a person clicks."],
    "out_of_scope": [
        "Texts of another language or subject than those of the training data.",
        "Decisions about people.",
    ],
}
CAVEATS = (
    "The scores are probabilities as long as the rate of positives is that of the training data. The monitoring "
    "shows whether it still is.",
    "The calibration and the threshold were fitted to the scores of the cross-validation, and the metrics measured on "
    "the same scores. Evaluate the model on data that it has not seen: model-server evaluate --card.",
)
FEW_POSITIVES = 100
FEW = f"Fewer than {FEW_POSITIVES} examples are positive: look at the intervals, not at the values."


def make_card(
    options: TrainOptions,
    details: Mapping[str, Any],
    data: Mapping[str, Any],
    fits: Mapping[str, Any],
    analyses: Mapping[str, tuple[Mapping[str, Any], Analysis]],
    threshold: float,
) -> Card:
    """Return the card.

    Parameters
    ----------
    details : facts about the architecture.
    data : what the reader of the examples says about them.
    fits : the section `training`.
    analyses : name -> facts about its data, and metrics.
    """
    return {
        "model_details": {
            "name": options.model_name,
            "version": options.model_version,
            "kind": "binary",
            **details,
        },
        "intended_use": USE,
        "training_data": dict(data),
        "training": dict(fits),
        "quantitative_analyses": [
            {"name": name, "data": dict(facts), "metrics": analysis.metrics, "tables": analysis.tables}
            for name, (facts, analysis) in analyses.items()
        ],
        "decision_threshold": {
            "value": threshold,
            "method": f"the best F1 of the scores of the cross-validation, with a recall of at least {MIN_RECALL} and "
            f"at most {MAX_FLAGGED:.0%} of the examples predicted positive",
        },
        "software": {"python": platform.python_version(), **{name: version_of(name) for name in PACKAGES}},
        "caveats_and_recommendations": [*CAVEATS, *([FEW] if data["positives"] < FEW_POSITIVES else [])],
    }


def training_section(
    options: TrainOptions, learning_rate: float, split: str, fits: Sequence[FitOutcome]
) -> dict[str, Any]:
    """Return the section about the training: its parameters, and why each fit ended.

    Parameters
    ----------
    split : which rows are for validation.
    fits : one for each fold, then the one of the exported model.
    """
    section: dict[str, Any] = {
        "method": f"cross-fitting with {options.folds} folds, then a fit to all rows of the folds; AdamW",
        "epochs": options.epochs,
        "batch_size": options.batch_size,
        "learning_rate": learning_rate,
        "seed": options.seed,
        "columns": {name: value for name, value in asdict(options.columns).items() if value},
    }
    if options.early_stopping is None:
        return section
    names = [*(f"fold {number}" for number in range(1, options.folds + 1)), "exported model"]
    rows = [
        [
            name,
            fit.epochs,
            fit.best_epoch,
            fit.losses[fit.best_epoch - 1],
            reason_of(fit, options.early_stopping.patience),
        ]
        for name, fit in zip(names, fits, strict=True)
    ]
    columns = ("fit", "epochs", "epoch of its weights", "loss on the validation rows", "why it ended")
    return section | {
        "early_stopping": {"patience": options.early_stopping.patience, "validation_rows": split},
        "tables": [table("early stopping", columns, rows)],
    }


def reason_of(fit: FitOutcome, patience: int) -> str:
    """Return why a fit ended."""
    if not fit.stopped_early:
        return "all epochs are over"
    return "no lower loss in the next epoch" if patience == 1 else f"no lower loss in {patience} epochs"
