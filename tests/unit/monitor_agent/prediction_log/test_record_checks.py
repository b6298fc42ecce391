"""Whatever a program logs, it gets a RecordError, or lines that the pipeline accepts."""

from __future__ import annotations

import math
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
from hypothesis import strategies as st

from monitor_agent.errors import RecordError
from tests.dry_pipeline import document_of
from tests.unit.monitor_agent.prediction_log.factories import lines_in, make_prediction_log

ODD_TEXTS = ["", "\ud800", "\x00", "ü" * 300, '"score":7', "2026-11-23T10:00:00Z", "all"]
TEXTS = st.text(max_size=8) | st.sampled_from(ODD_TEXTS)
LARGE = [1e15, -1e15, 1e16, math.inf, 10**400]
SMALL = [0, 1, -1, 0.5, -0.0, 1e-300, 5e-324, 1.0000001, np.float32(0.1)]
NUMBERS = st.floats(0, 1) | st.sampled_from([*SMALL, *LARGE, math.nan, True])
MOMENTS = st.sampled_from(
    [datetime(2026, 1, 1), datetime.min.replace(tzinfo=timezone.utc), datetime.max.replace(tzinfo=timezone.utc)]
    + [datetime(2020, 1, 1, tzinfo=timezone(timedelta(hours=offset))) for offset in (-12, 14)]
)
PLAIN = st.none() | st.booleans() | TEXTS | NUMBERS | MOMENTS | st.binary(max_size=3)
NESTED = PLAIN | st.lists(PLAIN, max_size=2) | st.dictionaries(TEXTS | st.integers(0, 1), PLAIN, max_size=2)
FEATURES = st.fixed_dictionaries(
    {},
    optional={
        "numeric": NESTED | st.dictionaries(TEXTS, NUMBERS, max_size=2),
        "categorical": NESTED | st.dictionaries(TEXTS, TEXTS, max_size=2),
    },
)
POSITIVE = st.integers(1, 9)
RANKING = st.fixed_dictionaries({"id": TEXTS, "rank": POSITIVE, "size": POSITIVE})
RESULTS = {"binary": "score", "multiclass": "class", "regression": "value"}
RESULT = {"binary": NUMBERS, "multiclass": TEXTS, "regression": NUMBERS}
MORE = {
    "scores": st.dictionaries(TEXTS, NUMBERS, max_size=3),
    "item_id": TEXTS | PLAIN,
    "position": POSITIVE | NESTED,
    "propensity": NUMBERS,
    "ranking": RANKING | NESTED,
    "features": FEATURES | NESTED,
    "timestamp": MOMENTS | PLAIN,
    "shadow": st.booleans() | PLAIN,
    "primary_id": TEXTS,
    "queue_time": POSITIVE | st.just(timedelta(days=99)) | NUMBERS,
    "batch_size": POSITIVE | NUMBERS,
}
REQUEST = {
    "user_id": TEXTS,
    "query": TEXTS | PLAIN,
    "labels": st.dictionaries(st.sampled_from(["scene", "a b", "ü"]) | TEXTS, TEXTS, max_size=2) | NESTED,
    "duration": POSITIVE | NUMBERS | st.just(timedelta(seconds=1)),
    "timestamp": MOMENTS | PLAIN,
    "trace": TEXTS | PLAIN,
    "request_id": TEXTS,
    "assignment": st.fixed_dictionaries({"name": TEXTS, "unit": st.just("user"), "propensity": NUMBERS}) | NESTED,
}
FEEDBACK = {
    "prediction_id": TEXTS | st.just("019ab0a5-9d7b-7c3e-8a51-6f2b9d1c4e70"),
    "type": st.sampled_from(["click", "label", "purchase", "view"]) | PLAIN,
    "label": st.integers(0, 1) | PLAIN,
    "class": TEXTS,
    "truth": NUMBERS,
    "value": NUMBERS,
    "event_id": TEXTS,
    "timestamp": MOMENTS,
    "prediction_time": MOMENTS | PLAIN,
}


def of(required: dict[str, Any], optional: dict[str, Any]) -> Any:
    """Return mappings that have all of the first fields and some of the others."""
    return st.fixed_dictionaries(required, optional=optional)


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(data=st.data(), kind=st.sampled_from(sorted(RESULTS)))
def test_what_is_not_refused_is_accepted_by_the_pipeline(data: st.DataObject, kind: str) -> None:
    """Odd texts, numbers, times and shapes in every field."""
    records = data.draw(st.lists(of({RESULTS[kind]: RESULT[kind]}, MORE), min_size=1, max_size=2))
    with tempfile.TemporaryDirectory() as folder, make_prediction_log(Path(folder), kind=kind) as log:
        count = 0
        for call in (
            lambda: len(log.predictions(records, **data.draw(of({}, REQUEST)))),
            lambda: len(log.feedback(data.draw(of({}, FEEDBACK)))),
        ):
            try:
                count += call()
            except RecordError as error:
                hypothesis.event(error.field.rpartition(".")[2])
        events = lines_in(Path(folder))

    assert len(events) == count
    for event in events:
        document = document_of(event)
        assert "error" not in document, document["error"]
