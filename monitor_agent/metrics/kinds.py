"""The kinds of predictions in a window, by the named counts of its state (`WindowState.counts`)."""

from __future__ import annotations

from collections.abc import Mapping

from monitor_agent.vocabulary.prediction_kinds import BINARY, MULTICLASS, PREDICTION_KINDS, REGRESSION

MIXED = "mixed_kinds"
"""The kind of a window whose predictions are of several kinds; and the reason why it has no metrics of any of them."""

PREDICTIONS, IMPRESSIONS, MATURE, LABELLED = "predictions", "impressions", "mature", "labelled"
"""What is counted of each kind but `binary`, besides the counts of all predictions together."""


def count_name(kind: str, quantity: str) -> str:
    """Return the name of a count or sum of one kind.

    >>> count_name(MULTICLASS, LABELLED)
    'multiclass.labelled'
    """
    return f"{kind}.{quantity}"


HITS = count_name(MULTICLASS, "hits")
SCORED, BINNED = count_name(MULTICLASS, "scored"), count_name(MULTICLASS, "binned")
CLASS_LOSS = count_name(MULTICLASS, "log_loss")
"""Names of counts and of a sum, over the multiclass predictions with a known class: those that predict it; those with
scores; those whose scores are counted by bin; the log loss of those with scores."""

_PREDICTIONS = {kind: count_name(kind, PREDICTIONS) for kind in (MULTICLASS, REGRESSION)}
_LABELLED = tuple(count_name(kind, LABELLED) for kind in (MULTICLASS, REGRESSION))


def kind_of(predictions: int, counts: Mapping[str, int]) -> str | None:
    """Return the kind of all predictions of a window, `MIXED`, or None without predictions.

    Parameters
    ----------
    predictions : all predictions of the window.
    counts : its named counts.

    >>> kind_of(5, {"multiclass.predictions": 5}), kind_of(5, {"multiclass.predictions": 4}), kind_of(5, {})
    ('multiclass', 'mixed_kinds', 'binary')
    """
    present = [kind for kind, name in _PREDICTIONS.items() if counts.get(name)]
    if predictions > sum(counts.get(name, 0) for name in _PREDICTIONS.values()):
        present.append(BINARY)
    if len(present) > 1:
        return MIXED
    return present[0] if present else None


def other_kinds(kind: str | None) -> list[str]:
    """Return the kinds whose own metrics a window has not; all of them without predictions, and for `MIXED`.

    >>> other_kinds(BINARY), other_kinds(None)
    (['multiclass', 'regression'], ['binary', 'multiclass', 'regression'])
    """
    return [name for name in PREDICTION_KINDS if name != kind]


def labelled(counts: Mapping[str, int]) -> int:
    """Return the predictions of all kinds but `binary` whose truth is known."""
    return sum(counts.get(name, 0) for name in _LABELLED)
