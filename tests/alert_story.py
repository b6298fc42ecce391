"""A cluster with alerts: a worse version whose alert is active and inhibited, a lag, and many that have recovered."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

from monitor_agent.alerting.firings import Firing
from monitor_agent.contracts.agent_state import AGENT_STATE
from monitor_agent.contracts.alert import ALERTS, CRITICAL, STATE_ACTIVE, STATE_RECOVERED, WARNING
from monitor_agent.contracts.cycle import CYCLES
from monitor_agent.contracts.verdict import VERDICTS
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.install import install
from monitor_agent.es.state_store import StateStore, StoredState
from monitor_agent.metrics.data_quality import OUT_OF_RANGE
from monitor_agent.notifying.outbox import Outbox, Receipt
from monitor_agent.notifying.silence_store import SilenceStore
from monitor_agent.notifying.silences import Silence
from monitor_agent.pipeline.broken_features import BrokenFeature, quality_fields
from monitor_agent.settings import AgentSettings
from tests.cluster import Cluster
from tests.factories import Document, iso, make_feedback, make_prediction
from tests.integration.agent_world import world_on

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOW = datetime.now(timezone.utc).replace(microsecond=0)
BEGAN, ACTIVE = NOW - 4 * HOUR, NOW - 4 * HOUR + 5 * MINUTE
GAP = (NOW - 2 * HOUR, NOW - HOUR)
"""In this time there are no verdicts."""
OLD_FIRINGS = 60
IMPRESSIONS, CLICKS, CLICKS_OF_NEW = 200, 40, 20
CHANNEL = "team"

WORSE = Firing(
    rule="worse-version",
    group=(("model_name", "search"), ("model_version", "2")),
    start=BEGAN,
    title="A version is worse",
    message="a version does worse than the older version, and not by chance",
    severity=CRITICAL,
    dashboard="model-quality",
    state=STATE_ACTIVE,
    active_since=ACTIVE,
    measure="rate_fall",
    value=0.31,
    limit=0.05,
    inhibited_by=("pipeline-lag",),
    evaluations="x",
    evaluated=NOW - MINUTE,
)
LAG = Firing(
    rule="pipeline-lag",
    group=(),
    start=NOW - 30 * MINUTE,
    title="The pipeline lags",
    message="feedback waits for more than 5 minutes to be joined",
    severity=WARNING,
    dashboard="pipeline-health",
    state=STATE_ACTIVE,
    active_since=NOW - 28 * MINUTE,
    measure="lag_seconds",
    value=400.0,
    limit=300.0,
    evaluations="xx",
    evaluated=NOW - MINUTE,
)
BROKEN = BrokenFeature("numeric.price", OUT_OF_RANGE, 0.09, 0.0, BEGAN - HOUR)
"""What is wrong with the worse version."""


def alert_story(cluster: Cluster) -> None:
    """Fill a cluster."""
    cluster.clean()
    with world_on(cluster) as world:
        gateway = Gateway(world.admin)
        install(gateway, AgentSettings())
        for version, clicks in (("1", CLICKS), ("2", CLICKS_OF_NEW)):
            world.deliver(*_hour_of(NOW - 2 * HOUR, version, clicks))
        world.cycle(NOW)
        for number, verdict in enumerate(_verdicts()):
            world.admin.index(index=VERDICTS.index_for(NOW), id=f"verdict-{number}", document=verdict)
        cycle = {**CYCLES.sample, "@timestamp": iso(NOW - 2 * MINUTE), "lag_seconds": 400.0}
        world.admin.index(index=CYCLES.index_for(NOW), document=cycle)
        for firing in (WORSE, LAG, *_old_firings()):
            world.admin.index(index=ALERTS.index_for(firing.start), id=firing.id, document=firing.document())
        _plant_what_was_done(gateway)
        world.admin.indices.refresh(index=f"model-*,model_performance,{AGENT_STATE.name},{CYCLES.alias}")


def _plant_what_was_done(gateway: Gateway) -> None:
    outbox = Outbox(NOW - 30 * DAY, {WORSE.id: Receipt(active=ACTIVE + 10 * timedelta(seconds=1))})
    StateStore(gateway, "agent").write(StoredState(f"outbox:{CHANNEL}"), outbox.content(), NOW)
    SilenceStore(gateway).add(Silence("", NOW - HOUR, NOW + HOUR, "kim", "the shop is closed", alert=LAG.rule))


def _hour_of(at: datetime, version: str, clicks: int) -> list[Document]:
    predictions = [
        make_prediction(at + index * timedelta(seconds=2), 0.75 if index % 2 else 0.25, model="search", version=version)
        for index in range(IMPRESSIONS)
    ]
    return [*predictions, *(make_feedback(prediction) for prediction in predictions[:clicks])]


def _verdicts() -> Iterator[Document]:
    """Yield a verdict on version 2 each five minutes: fine at first, then fallen; none in the gap."""
    fine = {"rate_fall": 0.0, "rate_since": None}
    for number in range(96):
        at = NOW - 5 * number * MINUTE
        if GAP[0] <= at < GAP[1]:
            continue
        fall = {"rate_fall": 0.31 - 0.002 * number, "rate_since": iso(BEGAN - HOUR)} if at > BEGAN else fine
        broken = quality_fields({"2": [BROKEN] if at > BEGAN else []})["2"]
        yield {**VERDICTS.sample, "@timestamp": iso(at), "model_name": "search", **fall, **broken}


def _old_firings() -> Iterator[Firing]:
    """Yield firings that have recovered, each of an hour."""
    for number in range(OLD_FIRINGS):
        start = NOW - (number + 1) * DAY
        yield Firing(
            rule="error-rate",
            group=(("model_name", "ads"),),
            start=start,
            title="Requests are refused or fail",
            message="the whole 95 % interval of the error rate lies above 1 %",
            severity=CRITICAL,
            dashboard="serving",
            state=STATE_RECOVERED,
            active_since=start + 2 * MINUTE,
            end=start + HOUR,
            measure="error_rate_low",
            value=0.02,
            limit=0.01,
        )
