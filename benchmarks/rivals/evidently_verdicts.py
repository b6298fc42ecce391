"""Evidently's verdict on many pairs of samples; run by its own Python with the path of the samples.

`<number>.<num or cat>.reference` holds references, shape (references, values); `<number>.<kind>.current` holds
the samples of each reference, shape (references, pairs, values). It prints the share of drifted pairs by number.
"""

import json
import sys
import time

import numpy as np
import pandas as pd
from evidently.legacy.calculations.stattests import get_stattest
from evidently.legacy.core import ColumnType


def is_drift(reference, current, kind):
    """Return the verdict of Evidently's own choice of a test, at its threshold."""
    test = get_stattest(reference, current, kind, None)
    return bool(test(reference, current, ColumnType(kind), None).drifted)


started, shares = time.monotonic(), {}
with np.load(sys.argv[1]) as samples:
    for name in samples:
        number, kind, which = name.split(".")
        if which == "current":
            verdicts = [
                is_drift(pd.Series(reference), pd.Series(current), kind)
                for reference, group in zip(samples[f"{number}.{kind}.reference"], samples[name], strict=True)
                for current in group
            ]
            shares[number] = float(np.mean(verdicts))
print(json.dumps({"seconds": time.monotonic() - started, "shares": shares}))
