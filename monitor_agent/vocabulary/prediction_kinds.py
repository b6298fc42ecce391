"""The names of the kinds of predictions, as in `prediction.kind`."""

BINARY, MULTICLASS, REGRESSION = PREDICTION_KINDS = ("binary", "multiclass", "regression")
