"""A nightly job with scikit-learn: it trains on a table with labels, scores another one, and logs both.

    python batch_job.py TRAINING.csv NEW.csv FOLDER

Both tables have the columns `customer` and numeric features; the first one has `churned` (0 or 1) too. The output has
the id of each prediction, by which a later job logs what really happened:

    python batch_job.py --labels OUTPUT.csv FOLDER
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from monitor_agent.prediction_log import PredictionLog

MODEL, VERSION, THRESHOLD, ROWS_AT_ONCE = "churn", "2026-11", 0.5, 1000
CUSTOMER, CHURNED = "customer", "churned"


def score(training: Path, new: Path, folder: Path) -> None:
    """Print customer, score and prediction id of each row of the new table, after they are logged."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows, table = read(training), read(new)
    names = [name for name in rows[0] if name not in (CUSTOMER, CHURNED)]
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit([numbers(row, names) for row in rows], [int(row[CHURNED]) for row in rows])
    output = csv.writer(sys.stdout)
    output.writerow((CUSTOMER, "score", "prediction_id"))
    with PredictionLog(folder, model=MODEL, version=VERSION, threshold=THRESHOLD, service_name="churn-job") as log:
        for start in range(0, len(table), ROWS_AT_ONCE):
            chunk = table[start : start + ROWS_AT_ONCE]
            features = [numbers(row, names) for row in chunk]
            scores = model.predict_proba(features)[:, 1]
            answers = log.predictions(
                [
                    {
                        "score": value,
                        "item_id": row[CUSTOMER],
                        "features": {"numeric": dict(zip(names, values, strict=True))},
                    }
                    for row, values, value in zip(chunk, features, scores, strict=True)
                ],
                is_list=False,  # the customers are no ranked list
            )
            for row, answer in zip(chunk, answers, strict=True):
                output.writerow((row[CUSTOMER], answer.outcome["score"], answer.id))


def label(outcomes: Path, folder: Path) -> None:
    """Log the truth: the output of `score`, with a column `churned` where it is known by now."""
    with PredictionLog(folder, model=MODEL, version=VERSION, service_name="churn-job") as log:
        log.feedback(
            [
                {
                    "prediction_id": row["prediction_id"],
                    "type": "label",
                    "label": int(row[CHURNED]),
                    "event_id": row["prediction_id"],  # it follows from the prediction: a second run changes nothing
                }
                for row in read(outcomes)
                if row[CHURNED]
            ]
        )


def read(path: Path) -> list[dict[str, str]]:
    """Return the rows of a table."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def numbers(row: dict[str, str], names: list[str]) -> list[float]:
    """Return the features of a row."""
    return [float(row[name]) for name in names]


if __name__ == "__main__":
    if sys.argv[1] == "--labels":
        label(*map(Path, sys.argv[2:]))
    else:
        score(*map(Path, sys.argv[1:]))
