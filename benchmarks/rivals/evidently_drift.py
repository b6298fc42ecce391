"""Evidently's DataDriftPreset over a day and a reference; run by its own Python with the path of the columns.

The columns are named `current.numeric.<name>`, `reference.categorical.<name>` and so on.
"""

import json
import sys
import time

import numpy as np
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset


def rows(columns, which):
    """Return one of the two tables, with texts as pandas keeps them."""
    names = [name for name in columns if name.startswith(f"{which}.")]
    return pd.DataFrame(
        {
            name.removeprefix(f"{which}."): columns[name].astype(object if columns[name].dtype.kind == "U" else float)
            for name in names
        }
    )


with np.load(sys.argv[1]) as columns:
    tables = [rows(columns, which) for which in ("current", "reference")]
names = list(tables[0])
definition = DataDefinition(
    numerical_columns=[name for name in names if name.startswith("numeric.")],
    categorical_columns=[name for name in names if name.startswith("categorical.")],
)
current, reference = (Dataset.from_pandas(table, definition) for table in tables)

started = time.monotonic()
report = Report([DataDriftPreset()]).run(current, reference).dict()
seconds = time.monotonic() - started
drifts = [metric for metric in report["metrics"] if "column" in metric["config"]]
print(
    json.dumps(
        {
            "seconds": seconds,
            "values": {metric["config"]["column"]: float(metric["value"]) for metric in drifts},
            "thresholds": {metric["config"]["column"]: metric["config"]["threshold"] for metric in drifts},
        }
    )
)
