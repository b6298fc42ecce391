"""Evidently's ClassificationPreset over a day; run by its own Python with the path of the columns."""

import json
import sys
import time

import numpy as np
import pandas as pd
from evidently import BinaryClassification, DataDefinition, Dataset, Report
from evidently.presets import ClassificationPreset

with np.load(sys.argv[1]) as columns:
    rows = pd.DataFrame({name: columns[name] for name in ("click", "label", "score")})
task = BinaryClassification(target="click", prediction_labels="label", prediction_probas="score", pos_label=1)
definition = DataDefinition(classification=[task])
current, reference = (Dataset.from_pandas(rows.copy(), definition) for _ in range(2))

started = time.monotonic()
Report([ClassificationPreset()]).run(current, reference).dict()
print(json.dumps({"seconds": time.monotonic() - started}))
