"""Documents with missing fields, which did not come through the pipeline: not counted, but reported with a reason."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from monitor_agent.agent.health import Health
from monitor_agent.agent.service import Service
from monitor_agent.cli._agent import in_words
from monitor_agent.clock import FixedClock
from monitor_agent.es.gateway import Gateway
from tests.factories import START, Document, index_of, make_error, make_feedback, make_prediction
from tests.integration.agent_world import BASE, MUCH_LATER, World
from tests.integration.scored_clicks import OF_ALL, make_sixty

FINAL = START + MUCH_LATER
HOURS: dict[str, Any] = {"base_window": timedelta(hours=1), "larger_windows": (timedelta(days=1),)}

Change = Callable[[Document], Any]
INCOMPLETE: dict[str, tuple[str, Change]] = {
    "no score": ("bad prediction.score", lambda event: event["prediction"].pop("score")),
    "null score": ("bad prediction.score", lambda event: event["prediction"].update(score=None)),
    "negative score": ("bad prediction.score", lambda event: event["prediction"].update(score=-0.01)),
    "score above one": ("bad prediction.score", lambda event: event["prediction"].update(score=1.0000001)),
    "no label": ("bad prediction.label", lambda event: event["prediction"].pop("label")),
    "label 2": ("bad prediction.label", lambda event: event["prediction"].update(label=2)),
    "label -1": ("bad prediction.label", lambda event: event["prediction"].update(label=-1)),
    "infinite loss": ("bad prediction.log_loss", lambda event: event["prediction"].update(log_loss_1=1e300)),
    "negative loss": ("bad prediction.log_loss", lambda event: event["prediction"].update(log_loss_0=-0.5)),
    "no version": ("bad model.version", lambda event: event["model"].pop("version")),
    "empty version": ("bad model.version", lambda event: event["model"].update(version="")),
    "version all": ("bad model.version", lambda event: event["model"].update(version="all")),
    "long version": ("bad model.version", lambda event: event["model"].update(version="v" * 257)),
    "no model": ("bad model.name", lambda event: event["model"].pop("name")),
    "empty model": ("bad model.name", lambda event: event["model"].update(name="")),
    "long model": ("bad model.name", lambda event: event["model"].update(name="m" * 257)),
    "ranking": ("kind ranking", lambda event: event["prediction"].update(kind="ranking")),
    "a class without a kind": ("no prediction.kind", lambda event: event["prediction"].update({"class": "a"})),
    "no class": ("bad prediction.class", lambda event: event["prediction"].update({"kind": "multiclass"})),
    "empty class": (
        "bad prediction.class",
        lambda event: event["prediction"].update({"kind": "multiclass", "class": ""}),
    ),
    "no value": ("bad prediction.value", lambda event: event["prediction"].update(kind="regression")),
}


def test_what_cannot_be_counted_is_set_aside(world: World) -> None:
    """Clicked predictions that lack fields, or are of another kind, change no metric of the others."""
    predictions, clicks = make_sixty(version="7")
    world.deliver(*predictions, *clicks)
    for _, alter in INCOMPLETE.values():
        prediction = make_prediction(START, 0.9, version="7", scene="other")
        prediction["model"] = dict(prediction["model"])
        alter(prediction)
        world.deliver(prediction, make_feedback(prediction))
    expected = Counter(reason for reason, _ in INCOMPLETE.values())

    report = world.cycle(FINAL, **HOURS)

    assert report.not_counted == expected
    documents = world.by_key()
    assert {key[:2] for key in documents} == {("click", "all"), ("click", "7")}
    for (_, version, segment, size, _), document in documents.items():
        assert segment != "labels.scene=other"
        counted = {name: document[name] for name in OF_ALL}
        assert counted == pytest.approx(OF_ALL, abs=5e-7), (version, segment, size)
    again = world.cycle(FINAL, **HOURS)
    assert (again.tally.windows, again.tally.written, again.not_counted) == (0, 0, expected)
    assert {release["model_version"] for release in world.documents("model-releases").values()} == {"7"}
    assert set(world.statuses()) == {"matched"}


def test_a_day_with_more_of_them_is_counted_once_more_only(world: World) -> None:
    """The number of documents grows, the number of countable ones does not: no document is written."""
    predictions, clicks = make_sixty()
    world.deliver(*predictions, *clicks)
    world.cycle(FINAL, **HOURS)
    before = world.documents()
    logit = make_prediction(START, 3.2)
    world.deliver(logit, make_feedback(logit))

    report = world.cycle(FINAL, **HOURS)

    assert report.not_counted == {"bad prediction.score": 1}
    assert world.documents() == before
    assert world.cycle(FINAL, **HOURS).tally.windows == 0


def test_the_document_of_the_cycle_says_how_many_there_are(world: World) -> None:
    """In total and by reason, as `/healthz` does; the output of `once` says it in words."""
    world.deliver(make_prediction(), make_prediction(START, 3.2), make_prediction(START, kind="ranking"))
    health = Health(timedelta(minutes=1), lambda: "")
    gateway, settings = Gateway(world.agent), dataclasses.replace(BASE, **HOURS)

    report = Service(gateway, settings, FixedClock(FINAL), health, world.make_agent(FINAL, **HOURS)).cycle()

    world.admin.indices.refresh(index="monitor-agent-cycles")
    by_reason = {"bad prediction.score": 1, "kind ranking": 1}
    (cycle,) = world.documents("monitor-agent-cycles").values()
    assert (cycle["not_counted"], cycle["not_counted_by_reason"]) == (2, by_reason)
    assert health.document()["not_counted"] == by_reason
    assert "; not counted: 1 bad prediction.score, 1 kind ranking; " in in_words(report)
    query = {"exists": {"field": "not_counted_by_reason.kind ranking"}}
    assert world.admin.count(index="monitor-agent-cycles", query=query)["count"] == 1


def test_times_outside_the_calendar_are_set_aside(world: World) -> None:
    """Milliseconds of any size, in each time of each event: Elasticsearch cannot answer every search over them."""
    healthy = make_prediction()
    world.deliver(healthy, make_feedback(healthy), make_error())
    for moment in (2**63 - 1, -(2**63), 10**15, -1):
        prediction, error, click = make_prediction(), make_error(), make_feedback(healthy)
        for event in (prediction, error, click):
            index, event["@timestamp"] = index_of(event), moment
            event["event"] |= {"ingested": moment, "created": moment, "sequence": 7}
            event["service"] = {"node": {"name": f"writer {moment}"}}
            world.admin.index(index=index, id=event["event"]["id"], document=event)
    world.admin.indices.refresh(index="model-*")
    health = Health(timedelta(minutes=1), lambda: "")
    gateway, settings = Gateway(world.agent), dataclasses.replace(BASE, **HOURS)

    report = Service(gateway, settings, FixedClock(FINAL), health, world.make_agent(FINAL, **HOURS)).cycle()

    assert report.failures == []
    assert report.not_counted == {"bad timestamp": 8}
    assert (world.window("1d")["n"], world.window("1d")["errors"], world.window("1d")["matched"]) == (1, 1, 1)
    assert Counter(world.statuses()) == {"matched": 1, "invalid": 4}


def test_days_that_an_earlier_release_counted_are_counted_again(world: World) -> None:
    """Its state says nothing about documents that are not counted."""
    predictions, clicks = make_sixty()
    world.deliver(*predictions, *clicks)
    world.cycle(FINAL, **HOURS)
    logit = make_prediction(START, 3.2)
    world.deliver(logit)
    world.cycle(FINAL, **HOURS)
    state = world.admin.get(index="monitor-agent-state", id="progress")["_source"]
    del state["content"]["set_aside"], state["content"]["rules"]
    world.admin.index(index="monitor-agent-state", id="progress", document=state)

    assert world.cycle(FINAL, **HOURS).not_counted == {"bad prediction.score": 1}


def test_an_error_without_a_version_is_set_aside(world: World) -> None:
    """The window counts the errors of its versions; it is not computed again for the other one."""
    nameless, reserved = make_error(), make_error(version="all")
    del nameless["model"]["version"]
    world.deliver(make_prediction(), make_error(), nameless, reserved)

    report = world.cycle(FINAL, **HOURS)

    assert report.not_counted == {"bad model.version": 2}
    assert world.window("1h")["errors"] == world.window("1d")["errors"] == 1
    world.deliver(make_prediction(START + timedelta(minutes=90)))
    assert world.cycle(FINAL, **HOURS).tally.windows == 1


def test_log_losses_are_optional(world: World) -> None:
    """Without them the losses come from the scores: every second, all, and none logs them."""
    exact = OF_ALL["log_loss"]
    for version, step in (("1", 2), ("2", 1), ("3", 61)):
        predictions, clicks = make_sixty(version=version)
        for prediction in predictions[step - 1 :: step]:
            del prediction["prediction"]["log_loss_0"], prediction["prediction"]["log_loss_1"]
        world.deliver(*predictions, *clicks)

    report = world.cycle(FINAL, **HOURS)

    assert not report.not_counted
    for size in ("1h", "1d"):
        # Few scores differ: if no prediction logs its losses, the stored single scores give them exactly.
        for version, smallest, largest in (("1", 1e-4, 0.002), ("2", 0, 0), ("3", 0, 0), ("all", 1e-4, 0.002)):
            window = world.window(size, version=version)
            assert window["n"] == (180 if version == "all" else 60)
            assert smallest <= window["log_loss_error_bound"] <= largest
            assert abs(window["log_loss"] - exact) <= window["log_loss_error_bound"] + 5e-7


def test_zero_with_a_sign_is_zero(world: World) -> None:
    """A score or a loss of -0.0 is counted."""
    prediction = make_prediction(START, -0.0, log_loss_0=-0.0)
    world.deliver(prediction, make_prediction(START, 1.0))

    report = world.cycle(FINAL, **HOURS)

    assert not report.not_counted
    assert (world.window("1h")["n"], world.window("1h")["score_mean"]) == (2, 0.5)
