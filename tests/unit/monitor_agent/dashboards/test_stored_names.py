"""What a cluster holds, from a literal response."""

from __future__ import annotations

import contextlib
from typing import Any

from monitor_agent.dashboards.stored_names import StoredNames, stored_names
from monitor_agent.es.connection import connect
from monitor_agent.es.gateway import Gateway
from monitor_agent.settings import ElasticsearchSettings
from tests.unit.monitor_agent.dashboards.test_partial_results import WHOLE
from tests.unit.monitor_agent.es.answers import Answer, serving


def model(name: str, **first: float) -> dict[str, Any]:
    """Return the bucket of a model: version -> its first moment."""
    versions = [{"key": version.removeprefix("v"), "first": {"value": at}} for version, at in first.items()]
    return {"key": name, "versions": {"buckets": versions}}


def size(name: str, models: int, *, base: int = 0) -> dict[str, Any]:
    """Return the bucket of a window size that so many models have."""
    return {"key": name, "base": {"doc_count": base}, "count": {"value": models}}


def test_sizes_that_a_model_lacks_stand_for_no_smaller_ones() -> None:
    """A chart of windows of a week would leave out the model that has none; names come in the order of their start."""
    aggregations = {
        "models": {"buckets": [model("churn", v2=30.0, v1=10.0), model("click", v1=20.0)]},
        "sizes": {"buckets": [size("1h", 2, base=48), size("1d", 2), size("7d", 1)]},
        "count": {"value": 2},
    }
    with serving(Answer({"responses": [{**WHOLE, "aggregations": aggregations}]})) as server:
        settings = ElasticsearchSettings(url=(server.url,))
        with contextlib.closing(Gateway(connect(settings))) as gateway:
            facts = stored_names(gateway)

    assert facts == StoredNames(("churn/1", "click/1", "churn/2"), ("1h", "1d"), "1h")
