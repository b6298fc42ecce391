"""The drift of ten features over a million indexed predictions, compared with Evidently with all rows in memory.

BENCH_SCALE=0.1 makes the day a tenth as large.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from benchmarks.measurement import Measurement, at_least, at_most
from benchmarks.rig.node import Node, running_node
from benchmarks.rig.traffic import FIRST_DAY, MODEL, VERSIONS, Action, Traffic
from benchmarks.rivals import DRIFT, Result, results
from monitor_agent.agent.stores import Stores
from monitor_agent.clock import FixedClock
from monitor_agent.contracts.drift import DRIFT as DRIFTS
from monitor_agent.contracts.model_names import ALL_VERSIONS
from monitor_agent.es.drift_store import DriftStore
from monitor_agent.es.gateway import Gateway
from monitor_agent.metrics.drift import NumericReference
from monitor_agent.pipeline import window_drift
from monitor_agent.pipeline.drift_references import DriftReference, FeatureReference, categories, named_reference
from monitor_agent.pipeline.instants import Interval
from monitor_agent.pipeline.windows import Calendar
from monitor_agent.settings import AgentSettings

SCALE = float(os.environ.get("BENCH_SCALE", "1"))
DAY = Traffic(round(1_000_000 * SCALE), seed=5)
ONE_SEARCH = AgentSettings(base_window=timedelta(minutes=30), larger_windows=(timedelta(days=1),), retention=False)
BY_THE_HOUR = AgentSettings(retention=False)
REPEATS = 3
MOST_WITH_QUALITY = 2.0
SHARE_OF_EVIDENTLY = 1 / 3
NEAR = 0.01
"""The largest allowed difference between a distance from bins and one from values."""

Table = dict[str, npt.NDArray[Any]]


def run() -> Iterator[Measurement]:
    """Yield the agent's seconds over the indexed day, Evidently's over the same rows, and their agreement."""
    before, now = features(DAY.predictions, seed=1), features(DAY.predictions, seed=2, shift=1.0)
    with running_node() as node:
        node.load(actions(now))
        gateway = node.gateway()
        try:
            reference = stored(gateway, before)
            whole = [measured(node, gateway, reference, ONE_SEARCH) for _ in range(REPEATS)]
            hours = [measured(node, gateway, reference, BY_THE_HOUR) for _ in range(REPEATS)]
            learnt = seconds_to_learn(gateway)
            with_quality, without = searched(node, gateway, reference)
        finally:
            gateway.close()
    seconds = median(took for took, _ in whole)
    yield Measurement(f"drift of 10 features over {DAY.predictions:,} predictions, day counted at once", seconds, "s")
    by_hour = median(took for took, _ in hours)
    yield Measurement("the same, 24 hours counted and merged to the day", by_hour, "s")
    yield Measurement("one search over the day: drift and data quality", with_quality, "s")
    yield Measurement("the same search: drift only", without, "s")
    yield at_most("data quality by drift only", with_quality / without, "x", MOST_WITH_QUALITY)
    yield Measurement("a reference learnt from the day: score, label and 10 features", learnt, "s")
    table = {
        f"{which}.{name}": column
        for which, columns in (("current", now), ("reference", before))
        for name, column in columns.items()
    }
    for result in results([DRIFT], table):
        yield Measurement(f"{result.rival.work}: rows already in memory", result.seconds, "s")
        yield Measurement("the same, memory of its process", result.mib, "MiB")
        for variant, agent_seconds in (("day counted at once", seconds), ("by the hour, and merged", by_hour)):
            yield at_most(f"the agent by Evidently: {variant}", agent_seconds / result.seconds, "x", SHARE_OF_EVIDENTLY)
        yield from agreement(whole[0][1], result)


def features(n: int, seed: int, shift: float = 0.0) -> Table:
    """Return seven numeric and three categorical columns of shape (n,); a shift moves four of them."""
    dice = np.random.default_rng(seed)
    device = np.array([0.55, 0.35, 0.10]) + shift * np.array([-0.15, 0.15, 0.0])
    return {
        "numeric.price": dice.lognormal(3 + 0.2 * shift, 1, n).round(2),
        "numeric.affinity": dice.normal(0.3 * shift, 1, n),
        "numeric.discount": np.where(dice.random(n) < 0.7 - 0.2 * shift, 0.0, dice.uniform(0, 0.5, n)),
        "numeric.age": dice.integers(18, 81, n).astype(float),
        "numeric.distance": dice.gamma(2, 5, n),
        "numeric.ctr_before": dice.beta(2, 40, n),
        "numeric.images": dice.choice([1.0, 2.0, 3.0], n, p=[0.5, 0.3, 0.2]),
        "categorical.device": dice.choice(["phone", "desktop", "tablet"], n, p=device),
        "categorical.shop": named_values("shop", dice.zipf(1.5, n) % 20),
        "categorical.category": named_values("c", dice.integers(0, 60, n)),
    }


def named_values(name: str, numbers: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """Return texts for numbers from 0 on."""
    return np.array([f"{name}{number}" for number in range(int(numbers.max()) + 1)])[numbers]


def actions(table: Table) -> Iterator[Action]:
    """Yield the day's predictions with these features."""
    names = [name.split(".") for name in table]
    for action, row in zip(
        DAY.actions(), zip(*(column.tolist() for column in table.values()), strict=True), strict=True
    ):
        values: dict[str, dict[str, Any]] = {"numeric": {}, "categorical": {}}
        for (kind, name), value in zip(names, row, strict=True):
            values[kind][name] = value
        yield Action(action.index, action.id, action.source[:-1] + b',"features":' + orjson.dumps(values) + b"}")


def stored(gateway: Gateway, table: Table) -> DriftReference:
    """Store the reference of a table as `monitor-agent reference --file` does, and return it."""
    references: dict[str, FeatureReference] = {}
    for name, column in table.items():
        numeric = name.startswith("numeric.")
        feature = NumericReference.from_values(column) if numeric else categories(Counter(column.tolist()))
        if feature is not None:
            references[name] = feature
    reference = named_reference("training", FIRST_DAY, references)
    Stores(gateway, ONE_SEARCH, FixedClock(DAY.end)).references.add(MODEL, reference, DAY.end)
    return reference


def measured(
    node: Node, gateway: Gateway, reference: DriftReference, settings: AgentSettings
) -> tuple[float, Mapping[str, Mapping[str, Any]]]:
    """Return the seconds of the day's drift, its documents written, and those over all versions by feature."""
    node.delete(f"{DRIFTS.name}-*")
    node.admin.indices.clear_cache(index="model-predictions-*")
    calendar = Calendar(settings)
    store = DriftStore(gateway, calendar, settings.drift_samples)
    started = time.monotonic()
    for size in calendar.of_drift:
        windows = list(calendar.between(size, Interval(FIRST_DAY, DAY.end)))
        predictions = {window: predictions_of(DAY, len(windows)) for window in windows}
        store.of(MODEL, predictions, dict.fromkeys(windows, reference))
    seconds = time.monotonic() - started
    terms = [{"term": {"window_size": "1d"}}, {"term": {"model_version": ALL_VERSIONS}}]
    hits = gateway.scan(DRIFTS.alias, {"query": {"bool": {"filter": terms}}}, 1000)
    return seconds, {hit["_source"]["feature"]: hit["_source"] for hit in hits}


def searched(node: Node, gateway: Gateway, reference: DriftReference) -> tuple[float, float]:
    """Return the seconds of the day's search with data quality, and without it: medians, one after the other."""
    calendar = Calendar(ONE_SEARCH)
    (window,) = calendar.between(calendar.of_drift[0], Interval(FIRST_DAY, DAY.end))
    body = window_drift.body(MODEL, window, reference)
    versions = body["aggs"]["versions"]
    plain = {**body, "aggs": {"versions": {**versions, "aggs": window_drift.aggregations(reference.features)}}}
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(REPEATS):
        for quality in (True, False):
            node.admin.indices.clear_cache(index="model-predictions-*")
            started = time.monotonic()
            gateway.search("model-predictions-*", body if quality else plain)
            seconds[quality].append(time.monotonic() - started)
    return median(seconds[True]), median(seconds[False])


def predictions_of(day: Traffic, windows: int) -> dict[str, int]:
    """Return about how many predictions of each version a window has, for the drift documents."""
    return dict.fromkeys(VERSIONS, day.predictions // windows // len(VERSIONS))


def seconds_to_learn(gateway: Gateway) -> float:
    """Return the seconds that learning a reference from the indexed day takes."""
    started = time.monotonic()
    Stores(gateway, ONE_SEARCH, FixedClock(DAY.end)).references.learn(MODEL, Interval(FIRST_DAY, DAY.end), DAY.end)
    return time.monotonic() - started


def agreement(documents: Mapping[str, Mapping[str, Any]], evidently: Result) -> Iterator[Measurement]:
    """Yield the number of equal verdicts, and the largest difference of a value."""
    values, limits = evidently.output["values"], evidently.output["thresholds"]
    equal = sum(documents[name]["drifted"] == (values[name] >= limits[name]) for name in values)
    yield at_least("features with Evidently's verdict, of 10", equal, "features", len(values))
    yield Measurement(
        "features that have drifted, of 10", sum(row["drifted"] for row in documents.values()), "features"
    )
    furthest = max(abs(documents[name]["value"] - value) for name, value in values.items())
    yield at_most("largest difference of a distance from Evidently's", furthest, "", NEAR)
