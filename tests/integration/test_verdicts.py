"""Verdicts on a real Elasticsearch: from metrics documents to a verdict, and from there to an alert."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import Any

import pytest
from elasticsearch import helpers

from monitor_agent.alerting.definitions import load_alerts
from monitor_agent.alerting.evaluator import AlertEvaluator
from monitor_agent.contracts.agent_state import AGENT_STATE
from monitor_agent.contracts.alert import ALERTS
from monitor_agent.contracts.performance import PERFORMANCE
from monitor_agent.contracts.verdict import VERDICTS
from monitor_agent.es.gateway import Gateway
from monitor_agent.metrics import DELAY_EDGES, LogHistogram, WindowState
from monitor_agent.pipeline.documents import CountedState, MetricsKey, metrics_document
from monitor_agent.pipeline.lease_table import Assignment
from monitor_agent.pipeline.windows import Calendar
from monitor_agent.settings import AgentSettings
from tests.factories import Document, iso
from tests.integration.agent_world import World

NOW = datetime(2026, 4, 2, 12, 8, tzinfo=timezone.utc)
"""A Thursday; the clocks of Berlin changed on Sunday."""

MINUTE, HOUR, WEEK = timedelta(minutes=1), timedelta(hours=1), timedelta(days=7)
UNTIL = NOW - 8 * MINUTE
SETTINGS = AgentSettings()
SOON = 10**10
"""A delay of ten seconds."""


@dataclass(frozen=True)
class Traffic:
    """The traffic of one version in an hour, and its clicks in the hours before `UNTIL`.

    Attributes
    ----------
    fallen : the clicks of the last `hours` hours.
    """

    version: str = "1"
    predictions: int = 600
    clicks: int = 60
    fallen: int = 60
    hours: int = 3
    since: timedelta = 30 * HOUR
    segment: str = "all"
    settings: AgentSettings = field(default=SETTINGS)
    lost: int = 0

    def documents(self) -> Iterator[Document]:
        """Yield the hours of the last days and of four weeks, and five-minute windows of the last day."""
        for number in range(int(self.since / HOUR)):
            start = UNTIL - (number + 1) * HOUR
            recent = number < self.hours
            clicks = self.fallen if recent else self.clicks
            yield self.document("1h", start, clicks, self.predictions, recent)
            if number < 26 and self.segment == "all":
                for twelfth in range(12):
                    yield self.document("1m", start + twelfth * 5 * MINUTE, clicks / 12, self.predictions // 12, recent)

    def weeks(self) -> Iterator[Document]:
        """Yield the same hours of four weeks, over all versions."""
        for week in range(1, 5):
            for number in range(int(self.since / HOUR) + 2):
                start = UNTIL - week * WEEK - number * HOUR
                yield replace(self, version="all").document("1h", start, self.clicks, self.predictions, False)

    def document(self, size: str, start: datetime, clicks: float, predictions: int, recent: bool) -> Document:
        """Return the operation that indexes one metrics document."""
        exact = (
            int(clicks * (start.minute // 5 + 1)) - int(clicks * (start.minute // 5)) if size == "1m" else int(clicks)
        )
        window = Calendar(self.settings).window(size, start)
        key = MetricsKey("click", self.version, self.segment, window)
        document = contents(replace(self, lost=self.lost if recent else 0), size, exact, predictions)
        times = {"@timestamp": iso(start), "window_start": iso(start), "window_end": iso(window.end)}
        return {"_index": key.index, "_id": key.id, "_source": {**document, **times}}


@cache
def contents(traffic: Traffic, size: str, clicks: int, predictions: int) -> Document:
    """Return the content of a metrics document, whatever its time."""
    state = WindowState(
        predictions=predictions, impressions=predictions, mature=predictions, tp=clicks, tn=predictions - clicks,
        requests=predictions, clicks=clicks, delay=LogHistogram.from_values([SOON] * clicks, DELAY_EDGES),
    )  # fmt: skip
    key = MetricsKey("click", traffic.version, traffic.segment, Calendar(traffic.settings).window(size, UNTIL))
    document = metrics_document(CountedState(key, state, traffic.lost), "final", traffic.settings)
    return {name: value for name, value in document.items() if value is not None and name != "state_blob"}


def together(*versions: Traffic) -> Traffic:
    """Return the traffic of all versions, which all served for the same time."""
    return replace(
        versions[0],
        version="all",
        predictions=sum(version.predictions for version in versions),
        clicks=sum(version.clicks for version in versions),
        fallen=sum(version.fallen for version in versions),
    )


def fill(world: World, *versions: Traffic, weeks: bool = True, further: Iterable[Document] = ()) -> None:
    """Index the documents of these versions, and of all together."""
    patterns = [contract.pattern for contract in (PERFORMANCE, VERDICTS, ALERTS, AGENT_STATE)]
    stored = list(world.admin.indices.get(index=patterns, ignore_unavailable=True))
    if stored:
        world.admin.indices.delete(index=stored)
    operations = [document for version in versions for document in version.documents()]
    if all(version.segment == "all" for version in versions):
        operations += together(*versions).documents()
    if weeks:
        operations += together(*versions).weeks()
    helpers.bulk(world.admin, [*operations, *further], refresh=True)


def judged(world: World, now: datetime = NOW, **changed: Any) -> dict[tuple[str, str], Document]:
    """Return the verdicts of an agent at a moment, by version and segment."""
    world.make_agent(now, **changed).judge()
    documents = world.documents(VERDICTS.alias).values()
    return {(document["model_version"], document["segment"]): document for document in documents}


def alerted(world: World, now: datetime = NOW) -> set[tuple[str, str]]:
    """Return the active alerts and their versions, as an agent evaluates them after its verdicts."""
    AlertEvaluator(Gateway(world.agent), load_alerts()).evaluate(now, [SETTINGS])
    searched = f"{ALERTS.pattern},{AGENT_STATE.name}"  # by the next evaluation
    world.admin.indices.refresh(index=searched, ignore_unavailable=True)
    return {
        (document["rule"]["name"], document.get("model_version", "all"))
        for document in world.documents(ALERTS.alias).values()
        if document["state"] == "active" and document["rule"]["name"] in QUALITY
    }


QUALITY = ("worse-version", "worse-segment", "quality-drop", "ctr-drop", "drift")


def test_a_healthy_version_has_a_verdict_and_no_alert(world: World) -> None:
    """It says what it was compared with, and that nothing has fallen."""
    fill(world, Traffic())

    verdicts = judged(world)

    assert {key for key in verdicts if key[1] == "all"} == {("1", "all"), ("all", "all")}
    assert (verdicts["1", "all"]["against"], verdicts["1", "all"]["rate_fall"]) == ("last_weeks", 0.0)
    assert verdicts["1", "all"]["judged_until"] == "2026-04-02T12:00:00Z"
    assert alerted(world) == set()


def test_clicks_that_stop_are_alerted_within_the_hour(world: World) -> None:
    """60 clicks an hour for weeks, and now none: no gate of positives mutes it."""
    fill(world, Traffic(fallen=0, hours=1))

    verdict = judged(world)["all", "all"]

    assert (verdict["rate_fall"], verdict["rate_since"], verdict["rate"]) == (1.0, "2026-04-02T11:00:00Z", 0.0)
    assert verdict["rate_evidence"] > 1
    assert alerted(world) == {("ctr-drop", "all"), ("worse-version", "1")}


def test_a_new_version_is_compared_with_the_one_beside_it(world: World) -> None:
    """The canary has a tenth of the traffic and half of the clicks; the older version is not compared with it."""
    canary = Traffic(version="2", predictions=600, clicks=30, fallen=30, since=6 * HOUR)
    fill(world, Traffic(predictions=5400, clicks=540, fallen=540), canary)

    verdicts = judged(world)

    worse = verdicts["2", "all"]
    assert (worse["against"], worse["against_version"]) == ("version", "1")
    assert worse["rate_fall"] == pytest.approx(0.5, abs=0.02)
    assert worse["rate_drop_low"] < 0.05 < worse["rate_drop_high"]
    assert worse["auc_undefined"] == "no_samples"
    assert verdicts["1", "all"]["against"] == "last_weeks"
    assert alerted(world) == {("worse-version", "2")}


def test_an_equal_new_version_raises_no_alert(world: World) -> None:
    """Although the model as a whole was better in the last weeks."""
    twin = Traffic(version="2", predictions=600, clicks=60, since=6 * HOUR)
    fill(world, Traffic(predictions=5400, clicks=540, fallen=540), twin)

    assert judged(world)["2", "all"]["rate_fall"] == 0.0
    assert alerted(world) == set()


def test_a_version_that_replaces_another_is_compared_with_the_last_weeks(world: World) -> None:
    """There is no version beside it: the old one ended before the new one began."""
    new = Traffic(version="2", predictions=600, clicks=60, fallen=30, hours=4, since=4 * HOUR)
    old = list(Traffic().documents())
    before = iso(UNTIL - 4 * HOUR)
    fill(world, new, further=[row for row in old if row["_source"]["window_start"] < before])
    helpers.bulk(world.admin, list(Traffic(version="all", fallen=30, hours=4).weeks()), refresh=True)

    worse = judged(world)["2", "all"]

    assert (worse["against"], worse["rate_since"]) == ("last_weeks", "2026-04-02T08:00:00Z")
    assert worse["rate_fall"] == pytest.approx(0.5, abs=0.02)
    assert ("worse-version", "2") in alerted(world)


def test_models_judged_by_purchases_count_final_windows(world: World) -> None:
    """Purchases come late: early ones would say nothing."""
    settings = replace(SETTINGS, feedback_type="purchase")
    fill(world, Traffic(clicks=60, fallen=10, hours=3, settings=settings))

    verdict = judged(world, feedback_type="purchase")["all", "all"]

    assert (verdict["counted"], verdict["rate_since"]) == ("final", "2026-04-02T09:00:00Z")
    assert ("ctr-drop", "all") in alerted(world)


def test_without_weeks_and_versions_nothing_is_measured(world: World) -> None:
    """Null with a reason, and no alert: not the same as fine."""
    fill(world, Traffic(fallen=0), weeks=False)

    verdict = judged(world)["1", "all"]

    assert (verdict["against"], verdict["rate_fall"], verdict["rate_undefined"]) == (None, None, "no_reference")
    assert alerted(world) == set()


def test_a_version_that_is_not_served_has_not_fallen(world: World) -> None:
    """Whatever it did before: it was rolled back."""
    fill(world, Traffic(fallen=0, hours=5))
    assert judged(world)["1", "all"]["rate_fall"] == 1.0

    later = judged(world, NOW + 3 * HOUR)

    newest = max(world.documents(VERDICTS.alias).values(), key=lambda document: str(document["@timestamp"]))
    assert (newest["rate_fall"], newest["rate_undefined"]) == (0.0, "not_served")
    assert later


def test_windows_that_may_miss_lines_say_nothing(world: World) -> None:
    """Their clicks may be among the lost lines; the windows of other times still count."""
    fill(world, Traffic(fallen=0, hours=1, lost=400))

    assert judged(world)["all", "all"]["rate_fall"] == 0.0


def test_segments_are_judged_every_hour(world: World) -> None:
    """One segment of several may fall while the whole does not show it."""
    search = Traffic(version="1", segment="labels.scene=search", fallen=20, hours=4)
    over_versions = replace(search, version="all")
    fill(world, Traffic(), further=[*search.documents(), *over_versions.documents(), *over_versions.weeks()])

    verdict = judged(world)["1", "labels.scene=search"]

    assert verdict["rate_fall"] == pytest.approx(2 / 3, abs=0.02)
    assert verdict["falls_with_version"] == []
    assert alerted(world) == {("worse-segment", "1")}
    (firing,) = world.documents(ALERTS.alias).values()
    assert (firing["model_name"], firing["model_version"], firing["segment"]) == ("click", "1", "labels.scene=search")


def test_a_fall_of_the_whole_version_is_not_one_of_its_segments(world: World) -> None:
    """Both scenes fall as far as the version does: people get one message about it, not one for each scene."""
    scenes = [
        replace(Traffic(fallen=30, hours=4), segment=f"labels.scene={scene}", predictions=300, clicks=30, fallen=15)
        for scene in ("search", "home")
    ]
    over_versions = [replace(scene, version="all") for scene in scenes]
    further = [document for scene in (*scenes, *over_versions) for document in scene.documents()]
    further += [document for scene in over_versions for document in scene.weeks()]
    fill(world, Traffic(fallen=30, hours=4), further=further)

    verdict = judged(world)["1", "labels.scene=home"]

    assert verdict["rate_fall"] == pytest.approx(0.5, abs=0.02)
    assert verdict["falls_with_version"] == ["rate"]
    assert alerted(world) == {("worse-version", "1"), ("ctr-drop", "all")}


def test_a_second_agent_and_a_restart_change_nothing(world: World) -> None:
    """A verdict is a function of the documents, and is written once."""
    fill(world, Traffic(fallen=20))
    judged(world)
    first = world.documents(VERDICTS.alias)

    agent = world.make_agent(NOW + MINUTE)
    agent.judge()
    agent.judge()
    assert world.documents(VERDICTS.alias) == first

    fill(world, Traffic(fallen=20))
    judged(world, NOW + 2 * MINUTE)
    assert world.documents(VERDICTS.alias) == first


def test_hours_are_compared_by_the_clock_of_the_model(world: World) -> None:
    """Berlin's noon was 11:00 UTC in the weeks before the clocks changed: the lunch hour has half of the clicks."""
    busy = Traffic(predictions=6000, clicks=600, fallen=300, hours=1)
    lunch = [replace(busy, version="all").document("1h", UNTIL - week * WEEK, 300, 6000, False) for week in range(1, 5)]

    fill(world, busy, further=lunch)
    berlin = judged(world, time_zone="Europe/Berlin")["all", "all"]
    fill(world, busy, further=lunch)
    utc = judged(world)["all", "all"]

    assert (berlin["rate_fall"], utc["rate_fall"]) == (0.0, pytest.approx(0.5, abs=0.02))


def test_an_alert_does_not_recover_because_the_reference_is_gone(world: World) -> None:
    """What is not measured is not fine: the firing stays active until a verdict says that the version is good."""
    fill(world, Traffic(fallen=0, hours=1))
    judged(world)
    assert ("worse-version", "1") in alerted(world)
    for number in range(1, 6):
        moment = NOW + number * 5 * MINUTE
        verdict = {"@timestamp": iso(moment), "model_name": "click", "model_version": "1", "segment": "all"}
        world.admin.index(index=VERDICTS.index_for(NOW), document={**verdict, "rate_undefined": "no_reference"})
        world.admin.indices.refresh(index=VERDICTS.pattern)
        unmeasured = alerted(world, moment)
    assert unmeasured == {("worse-version", "1")}

    good = {**verdict, "rate_fall": 0.0, "auc_fall": None}
    for number in range(6, 10):
        moment = NOW + number * 5 * MINUTE
        world.admin.index(index=VERDICTS.index_for(NOW), document={**good, "@timestamp": iso(moment)})
        world.admin.indices.refresh(index=VERDICTS.pattern)
        later = alerted(world, moment)
    assert later == set()


def test_an_agent_judges_the_models_whose_lease_it_holds(world: World) -> None:
    """Another agent holds the rest: together they judge each model once."""
    fill(world, Traffic())
    leased = frozenset({"click"})

    assert world.make_agent(NOW).judge(Assignment(frozenset(), True, leased)) == 0
    assert world.make_agent(NOW).judge(Assignment(leased, False, leased)) == 2


def test_drift_is_alerted_on_the_windows_that_have_enough_values(world: World) -> None:
    """A large model drifts in two of three hours; a small one has enough values in a day only."""
    fields = {"model_name": "click", "segment": "all", "drift_measured": 4}
    drift = [
        (version, size, UNTIL - hours * HOUR, share)
        for version, size, hours, share in (
            ("1", "1h", 1, 0.75),
            ("1", "1h", 2, 0.25),
            ("1", "1h", 3, 0.5),
            ("2", "1h", 2, 0.75),
            ("2", "1h", 3, 0.25),
            ("2", "1h", 4, 0.25),
            ("3", "1d", 36, 0.75),
        )
    ]
    documents = [
        {
            "_index": PERFORMANCE.index_for(start),
            "_id": f"{version} {size} {start}",
            "_source": {**fields, "model_version": version, "window_size": size, "@timestamp": iso(start)}
            | {"drift_share": share},
        }
        for version, size, start, share in drift
    ]
    versions = [Traffic(version=version) for version in ("1", "2", "3")]
    fill(world, *versions)
    helpers.bulk(world.admin, [row | {"_id": f"drift {row['_id']}"} for row in documents], refresh=True)

    verdicts = judged(world)

    measured = {version: verdicts[version, "all"].get("drift_share") for version in ("1", "2", "3")}
    assert measured == {"1": 0.5, "2": 0.25, "3": 0.75}
    assert verdicts["3", "all"]["drift_window"] == "1d"
    assert alerted(world) == {("drift", "1"), ("drift", "3")}
