"""The label that feedback gives a prediction: the same in any order, any batches, however often it is sent."""

from __future__ import annotations

import dataclasses
import math
import random
from datetime import datetime, timedelta, timezone
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from monitor_agent.contracts.feedback import MAX_EVENTS_PER_TYPE
from monitor_agent.pipeline.attribution import (
    FeedbackEvent,
    FeedbackEvents,
    FoldedFeedback,
    fold,
    restored,
    stored,
    union,
)
from monitor_agent.pipeline.outputs import PredictedOutput
from monitor_agent.settings import AgentSettings

MADE_AT = datetime(2026, 3, 2, 10, 0, 0, 250_000, tzinfo=timezone.utc)
SETTINGS = AgentSettings()
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def event(
    after: timedelta = SECOND, type_: str = "click", label: int | None = 1, value: float | None = None, id_: str = ""
) -> FeedbackEvent:
    """Return an event that long after the prediction; its id contains the delay."""
    return FeedbackEvent(MADE_AT + after, id_ or f"{type_}+{after.total_seconds()}", type_, label, value)


def folded_feedback(*events: FeedbackEvent, predicted: int = 1, **changed: Any) -> FoldedFeedback:
    """Return the folded events of a prediction that was labelled `predicted`."""
    settings = dataclasses.replace(SETTINGS, **changed)
    return fold(union({}, events, MADE_AT, settings), MADE_AT, PredictedOutput(label=predicted), settings)


@st.composite
def events(draw: st.DrawFn) -> list[FeedbackEvent]:
    """Distinct events of all types, in time, early, late and at the very edges, some at the same moment.

    Some of them are sent dozens of times with an id of their own, such as the clicks of an impatient user.
    """
    edges = st.sampled_from(
        [-5 * MINUTE - timedelta(microseconds=1), -5 * MINUTE, timedelta(), 30 * MINUTE, 31 * MINUTE]
    )
    moments = st.one_of(edges, st.integers(-400, 2000).map(lambda seconds: seconds * SECOND))
    rows = draw(
        st.lists(
            st.tuples(
                moments,
                st.sampled_from(["impression", "click", "purchase", "label"]),
                st.sampled_from([None, 0, 1]),
                st.one_of(st.none(), st.sampled_from([0.1, 0.2, 1e12, -1e12]), st.integers(-3, 9).map(float)),
            ),
            max_size=12,
        )
    )
    rows += rows[:1] * draw(st.sampled_from([0, 0, 0, 31, 32, 60]))
    return [event(*row, id_=f"event-{number}") for number, row in enumerate(rows)]


@hypothesis.given(
    events(), st.randoms(use_true_random=False), st.sampled_from(["click", "purchase", "label"]), st.integers(0, 1)
)
def test_neither_order_nor_batches_nor_repeats_matter(
    sent: list[FeedbackEvent], dice: Any, judged_by: str, predicted: int
) -> None:
    """The fold is a function of the set of events, which the prediction holds between two batches."""
    settings = dataclasses.replace(SETTINGS, feedback_type=judged_by)
    output = PredictedOutput(label=predicted)
    at_once = fold(union({}, sent, MADE_AT, settings), MADE_AT, output, settings)

    shuffled = sent + [repeated for repeated in sent if dice.random() < 0.3]
    dice.shuffle(shuffled)
    stored_events: FeedbackEvents = {}
    while shuffled:
        size = dice.choice([1, 2, 4, 50])
        stored_events = restored(stored(union(stored_events, shuffled[:size], MADE_AT, settings)))
        shuffled = shuffled[size:]

    assert fold(stored_events, MADE_AT, output, settings) == at_once


@hypothesis.given(events())
def test_each_event_has_exactly_one_status(sent: list[FeedbackEvent]) -> None:
    """Matched, duplicate and too late add up to the events; only purchases are matched more than once."""
    folded = folded_feedback(*sent)

    statuses = list(folded.statuses.values())
    matched = [
        event.type
        for event in sent
        if folded.statuses[event.id] == "matched" and (event.type != "purchase" or event.label == 0)
    ]
    assert set(folded.statuses) == {event.id for event in sent}
    assert folded.feedback["count"] == len(sent)
    assert folded.feedback["duplicates"] == statuses.count("duplicate")
    assert folded.feedback["too_late"] == statuses.count("too_late")
    assert len(matched) == len(set(matched))


@pytest.mark.parametrize(
    ("after", "label"),
    [
        (timedelta(), 1),
        (30 * MINUTE, 1),
        (30 * MINUTE + timedelta(microseconds=1), None),
        (-5 * MINUTE, 1),
        (-5 * MINUTE - timedelta(microseconds=1), None),
        (timedelta(days=3 * 365), None),
    ],
)
def test_the_edges_of_the_attribution_window_belong_to_it(after: timedelta, label: int | None) -> None:
    """A click counts from the allowed clock skew before its prediction to the end of the attribution window."""
    folded = folded_feedback(event(after))

    assert folded.feedback["label"] == label
    assert folded.statuses == {event(after).id: "matched" if label else "too_late"}


def test_the_first_click_counts() -> None:
    """Later clicks are duplicates; the outcome is `fn` because no click was predicted."""
    folded = folded_feedback(event(9 * SECOND), event(3 * SECOND), predicted=0)

    assert folded.outcome == "fn"
    assert folded.feedback["clicked_at"] == "2026-03-02T10:00:03.250Z"
    assert folded.feedback["delay"] == 3_000_000_000
    assert folded.statuses == {"click+3.0": "matched", "click+9.0": "duplicate"}


def test_the_latest_event_of_type_label_counts() -> None:
    """A correction within the attribution window replaces the earlier label; a later one does not."""
    first, second = event(SECOND, "label", 1), event(MINUTE, "label", 0)
    late = event(40 * MINUTE, "label", 1)

    folded = folded_feedback(first, second, late, feedback_type="label")

    assert (folded.feedback["label"], folded.outcome) == (0, "fp")
    assert folded.statuses == {first.id: "duplicate", second.id: "matched", late.id: "too_late"}


def test_a_click_is_no_label_if_labels_decide() -> None:
    """Only feedback of the judged type makes a label; other types are still counted."""
    folded = folded_feedback(event(), feedback_type="label")

    assert (folded.feedback["label"], folded.outcome) == (None, None)
    assert folded.feedback["types"] == ["click"]


def test_a_yes_counts_before_an_earlier_no() -> None:
    """A client that reports `label: 0` and then the click has clicked."""
    no, yes = event(SECOND, label=0), event(2 * SECOND)

    folded = folded_feedback(no, yes)

    assert folded.feedback["label"] == 1
    assert folded.statuses == {no.id: "duplicate", yes.id: "matched"}


def test_a_negative_event_makes_a_known_negative() -> None:
    """Feedback of the judged type with label 0 makes a known negative, but confirms no impression."""
    folded = folded_feedback(event(label=0), predicted=1)

    assert (folded.feedback["label"], folded.outcome) == (0, "fp")
    assert (folded.feedback["shown"], folded.feedback["types"], folded.feedback["clicked_at"]) == (None, None, None)


def test_forty_clicks_are_one_click_and_thirty_nine_duplicates() -> None:
    """The number does not stop at 32, also if the clicks come one by one and each of them twice."""
    clicks = [event(number * SECOND) for number in range(40)]
    stored_events: FeedbackEvents = {}
    for click in clicks:
        for _ in range(2):
            stored_events = restored(stored(union(stored_events, [click], MADE_AT, SETTINGS)))

    folded = fold(stored_events, MADE_AT, PredictedOutput(label=1), SETTINGS)

    assert (folded.feedback["count"], folded.feedback["duplicates"]) == (40, 39)
    assert folded.statuses[clicks[0].id] == "matched"


@pytest.mark.parametrize("type_", ["impression", "click", "purchase", "label"])
@pytest.mark.parametrize(
    ("words", "label"), [("1", 1), ("0", 0), ("10", 0), ("01", 1), ("101", 1), ("100", 0), ("1101", 1), ("0110", 0)]
)
def test_the_last_word_decides_for_every_type(type_: str, words: str, label: int) -> None:
    """A yes can be taken back and said again; everything before the last word repeats it or is replaced by it."""
    sent = [event(number * SECOND, type_, int(word)) for number, word in enumerate(words)]

    folded = folded_feedback(*sent, feedback_type=type_)

    latest, first = len(words) - 1, len(words.rstrip(words[-1]))
    counts = latest if type_ == "label" else first
    assert (folded.feedback["label"], folded.outcome) == (label, "tp" if label else "fp")
    assert folded.statuses[sent[counts].id] == "matched"
    assert folded.feedback["duplicates"] == len(words) - (latest - first + 1 if type_ == "purchase" and label else 1)
    assert folded.feedback["types"] == ([type_] if label else None)
    assert folded.feedback["shown"] == (True if label and type_ != "label" else None)
    assert (folded.feedback["clicked_at"] is None) == (not label)
    assert folded.feedback["delay"] == (first * 10**9 if label else None)


def test_of_two_words_at_the_same_moment_that_with_the_greater_id_is_the_last() -> None:
    """The order of the ids does not depend on who asks, or when."""
    yes, no = event(label=1, id_="a"), event(label=0, id_="b")

    assert folded_feedback(yes, no).feedback["label"] == folded_feedback(no, yes).feedback["label"] == 0


def test_words_outside_the_attribution_window_change_nothing() -> None:
    """A click that is taken back too late stays a click; a late click after a no does not make it a yes."""
    late = event(31 * MINUTE, label=0)

    taken_back_late, clicked_late = folded_feedback(event(), late), folded_feedback(event(label=0), event(31 * MINUTE))

    assert (taken_back_late.feedback["label"], taken_back_late.statuses[late.id]) == (1, "too_late")
    assert (clicked_late.feedback["label"], clicked_late.feedback["clicked_at"]) == (0, None)
    assert clicked_late.feedback["delay"] == 31 * 60 * 10**9


@pytest.mark.parametrize(
    ("values", "total"),
    [([10.0, 20.0], 30.0), ([10.0, -10.0], 0.0), ([10.0, None], 10.0), ([None], None), ([0.1] * 10, 1.0)],
)
def test_each_purchase_adds_its_value_and_a_refund_subtracts(values: list[float | None], total: float | None) -> None:
    """None of them is a duplicate."""
    folded = folded_feedback(*(event(n * SECOND, "purchase", value=value) for n, value in enumerate(values)))

    assert folded.feedback["value"] == total
    assert set(folded.statuses.values()) == {"matched"}


def test_the_sum_is_exact_in_any_order_and_for_many_purchases() -> None:
    """Large amounts do not swallow the cents of the others."""
    values = [1e12, 0.01, -1e12, *(number / 100 for number in range(200))]
    purchases = [event(number * SECOND, "purchase", value=value) for number, value in enumerate(values)]
    random.Random(0).shuffle(purchases)

    assert folded_feedback(*purchases).feedback["value"] == math.fsum(values)


def test_a_purchase_that_is_taken_back_adds_nothing() -> None:
    """A `label: 0` takes back all purchases before it, and its own value counts as little as a late one."""
    bought, taken_back = event(SECOND, "purchase", value=10.0), event(MINUTE, "purchase", 0, 7.0)
    late = event(40 * MINUTE, "purchase", value=100.0)

    nothing = folded_feedback(bought, taken_back, late)
    again = folded_feedback(bought, taken_back, event(2 * MINUTE, "purchase", value=5.0), late)

    assert (nothing.feedback["value"], nothing.feedback["types"]) == (None, None)
    assert (again.feedback["value"], again.feedback["types"]) == (5.0, ["purchase"])
    assert nothing.statuses == {bought.id: "duplicate", taken_back.id: "matched", late.id: "too_late"}


def test_the_value_of_a_repeated_click_counts_once() -> None:
    """Of the types other than purchases, one event counts."""
    folded = folded_feedback(event(value=0.2), event(2 * SECOND, value=0.2), event(3 * SECOND, "purchase", value=0.1))

    assert folded.feedback["value"] == 0.2 + 0.1
    assert folded.feedback["types"] == ["click", "purchase"]


def test_many_events_are_bounded_and_do_not_displace_those_that_count() -> None:
    """A prediction holds a limited number of events of each type, in time and again out of time."""
    too_many = 2 * MAX_EVENTS_PER_TYPE
    out_of_time = [event(timedelta(hours=1, seconds=number)) for number in range(too_many)]
    clicks = [event(number * timedelta(milliseconds=100)) for number in range(too_many)]

    folded = folded_feedback(*out_of_time, *clicks, event(29 * MINUTE, label=0))

    assert folded.feedback["label"] == 0
    assert folded.feedback["count"] == 2 * MAX_EVENTS_PER_TYPE
    assert folded.feedback["too_late"] == MAX_EVENTS_PER_TYPE
    assert folded_feedback(*out_of_time, *clicks).feedback["delay"] == 0


def test_an_id_sent_with_two_contents_means_the_same_everywhere() -> None:
    """The event that counts does not depend on the order of arrival."""
    early, late = event(SECOND, id_="same"), event(9 * SECOND, id_="same")

    assert folded_feedback(early, late) == folded_feedback(late, early)
    assert folded_feedback(early, late).feedback["count"] == 1


def test_stored_events_are_restored() -> None:
    """The stored fields are enough to fold again, with microseconds, missing labels and values."""
    original = {
        stored_event.id: stored_event
        for stored_event in (event(timedelta(microseconds=1), label=None), event(SECOND, value=2.5))
    }

    assert restored(stored(original)) == original


def test_a_prediction_without_a_label_has_no_outcome() -> None:
    """It is of another kind, or says neither 0 nor 1: its feedback is stored, and nothing is called right or wrong."""
    feedback = fold(union({}, [event()], MADE_AT, SETTINGS), MADE_AT, PredictedOutput(), SETTINGS)

    assert (feedback.outcome, feedback.feedback["label"], feedback.feedback["count"]) == (None, 1, 1)


def test_ids_of_earlier_releases_are_restored_in_one_form() -> None:
    """The same event arrives again under the canonical form of its id: it counts once."""
    canonical = "01a1f866-10e8-74c0-b9a0-1c4f2da54a07"
    rows = stored({"id": event(id_=canonical.upper())})

    assert list(union(restored(rows), [event(id_=canonical)], MADE_AT, SETTINGS)) == [canonical]
