"""The counters, parsed from their Prometheus text."""

from __future__ import annotations

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families

from model_server.request_counters import BUCKETS, RequestCounters

RESPONSE_TIME = "model_server_response_time_seconds"


def test_requests_and_response_times_are_counted() -> None:
    """The text has one sample for each path and status, and cumulative buckets of the response time."""
    ready = GaugeMetricFamily("model_server_ready", "1 if the server can take requests, else 0", 1.0)
    counters = RequestCounters(lambda: [ready])
    counters.count("/predict", 200, 0.002)
    counters.count("/predict", 200, 0.2)
    counters.count("/predict", 400, 99.0)

    families = list(text_string_to_metric_families(counters.text()))

    assert [(family.name, family.type, family.documentation) for family in families] == [
        ("model_server_requests", "counter", "requests answered"),
        (RESPONSE_TIME, "histogram", "from a request's first byte to its answer"),
        ("model_server_ready", "gauge", "1 if the server can take requests, else 0"),
    ]
    buckets = [0, *[1] * 6, *[2] * 6, 3]
    assert {
        (sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples
    } == {
        ("model_server_requests_total", "/predict", "200"): 2,
        ("model_server_requests_total", "/predict", "400"): 1,
        **{
            (f"{RESPONSE_TIME}_bucket", end, "/predict"): count
            for end, count in zip([*map(str, BUCKETS), "+Inf"], buckets, strict=True)
        },
        (f"{RESPONSE_TIME}_count", "/predict"): 3,
        (f"{RESPONSE_TIME}_sum", "/predict"): 99.202,
        ("model_server_ready",): 1,
    }
