"""NannyML's PerformanceCalculator over a day; run by its own Python with the path of the columns."""

import json
import sys
import time

import numpy as np
import pandas as pd
from nannyml import PerformanceCalculator

METRICS = ["roc_auc", "f1", "precision", "recall", "specificity", "accuracy"]

with np.load(sys.argv[1]) as columns:
    rows = pd.DataFrame({name: columns[name] for name in ("click", "label", "score")})
    rows["timestamp"] = pd.to_datetime(columns["time"], unit="ms")
reference = rows.copy()

started = time.monotonic()
calculator = PerformanceCalculator(
    y_true="click",
    y_pred="label",
    y_pred_proba="score",
    timestamp_column_name="timestamp",
    problem_type="classification_binary",
    metrics=METRICS,
    chunk_number=24,
)
calculator.fit(reference)
calculator.calculate(rows).to_df()
print(json.dumps({"seconds": time.monotonic() - started}))
