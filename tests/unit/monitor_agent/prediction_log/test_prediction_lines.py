"""The text of the lines is the JSON that orjson makes of the events, byte for byte."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import hypothesis
import orjson
import pytest
from hypothesis import strategies as st

from monitor_agent.prediction_log import Features, Ranking, ScoredRequest, VersionAssignment
from monitor_agent.prediction_log import outcomes as results
from monitor_agent.prediction_log.event_log import line_of
from monitor_agent.prediction_log.prediction_lines import PredictionTemplate
from monitor_agent.prediction_log.prediction_log import outcomes_of
from monitor_agent.prediction_log.pseudonyms import Pseudonyms
from monitor_agent.prediction_log.records import NO_FEATURES, RequestContext
from tests.unit.monitor_agent.prediction_log.factories import KEY, ScoredInstance, make_call, make_origin
from tests.unit.monitor_agent.prediction_log.reference_events import reference_event

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NAMED = st.dictionaries(TEXTS, TEXTS, max_size=3)
PROBABILITIES = st.floats(0, 1, width=32) | st.sampled_from([0.0, 1.0, 0.5, 0.1, 1e-7, 1e-5, 9.999e-5])
NUMBERS = st.floats(-1e15, 1e15) | st.sampled_from([0.0, -0.0, 1e15, -1e15, 5e-324, 1e-5, 12345678901234.5])
TIMES = st.datetimes(datetime(1970, 1, 1), datetime(2999, 12, 31), timezones=st.just(timezone.utc))
DURATIONS = st.none() | st.integers(0, 10**15)
RANKINGS = st.builds(Ranking, TEXTS, st.integers(1, 9), st.integers(1, 9))
FEATURES = st.just(NO_FEATURES) | st.builds(Features, st.dictionaries(TEXTS, NUMBERS, max_size=3), NAMED, NAMED)
ASSIGNMENTS = st.builds(VersionAssignment, TEXTS, st.sampled_from(["user", "session"]), st.floats(1e-9, 1))
CONTEXTS = st.builds(RequestContext, TEXTS, TEXTS, TEXTS, NAMED)
KINDS: list[dict[str, Any]] = [
    {},
    {"threshold": 0.7, "engine": "litert"},
    {"kind": "multiclass", "classes": ("boots", "hüte", '"')},
    {"kind": "regression"},
]


def instances_of(origin: Any) -> st.SearchStrategy[list[ScoredInstance]]:
    """Return requests of up to four instances for a kind of model."""
    scores = NUMBERS if origin.kind == "regression" else PROBABILITIES
    many = st.tuples(*[PROBABILITIES] * len(origin.classes)) if origin.classes else st.just(())
    instance = st.builds(
        lambda score, classes, **fields: ScoredInstance(max(classes) if classes else score, classes, **fields),
        scores,
        many,
        queue_time=DURATIONS,
        compute_time=DURATIONS,
        batch_size=st.none() | st.integers(1, 64),
        engine=st.sampled_from(["", "tensorflow"]),
        item_id=st.none() | TEXTS,
        position=st.none() | st.integers(1, 10**6),
        propensity=st.none() | st.floats(1e-9, 1),
        ranking=st.none() | RANKINGS,
        features=FEATURES,
        shadow=st.booleans(),
        timestamp=st.none() | TIMES,
    )
    return st.lists(instance, min_size=1, max_size=4)


@pytest.mark.parametrize("options", KINDS)
@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(data=st.data())
def test_lines_are_those_of_the_whole_object(options: dict[str, Any], data: st.DataObject) -> None:
    """Whatever a request holds, the fast text and the object written by orjson are equal."""
    origin, pseudonym = make_origin(**options), Pseudonyms(KEY)
    instances = data.draw(instances_of(origin))
    list_id, traces = data.draw(st.sampled_from(["", "l"])), data.draw(st.sampled_from([{}, {"trace": None}]))
    call = make_call(received=data.draw(TIMES), request_id=data.draw(TEXTS), list_id=list_id, **traces)
    primary_ids = data.draw(st.just(()) | st.lists(TEXTS, min_size=len(instances), max_size=len(instances)))
    request = ScoredRequest(
        call,
        data.draw(CONTEXTS),
        data.draw(DURATIONS),
        data.draw(st.none() | ASSIGNMENTS),
        primary_ids,
        data.draw(st.booleans()),
    )

    template = PredictionTemplate(origin, pseudonym, query_text=True)
    answers, lines = template.lines(request, instances, instances, outcomes_of(instances, origin))

    expected = [
        reference_event(request, instances, index, answer.id, origin, pseudonym) for index, answer in enumerate(answers)
    ]
    assert lines == [line_of(event) for event in expected]
    texts = [f'{head},"created":"c","sequence":1{tail}' for head, tail in lines]
    for event, text in zip(expected, texts, strict=True):
        event["event"] |= {"created": "c", "sequence": 1}
        assert text.encode() == orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE)


@hypothesis.given(st.lists(st.floats(0, 1) | st.sampled_from([0.0, -0.0, 0.5])))
def test_ranks_order_scores_from_the_best_to_the_worst(scores: list[float]) -> None:
    """Equal scores keep their order."""
    ranks = results.rank(scores)

    ordered = sorted(zip(ranks, scores, range(len(scores)), strict=True))
    assert sorted(ranks) == list(range(1, len(scores) + 1))
    assert [(-score, place) for _, score, place in ordered] == sorted((-score, place) for _, score, place in ordered)
