"""The counters as Prometheus reads them."""

from __future__ import annotations

from model_server.request_counters import RequestCounters


def test_requests_and_response_times_are_counted() -> None:
    """Each line is a name with labels and a number; a histogram's buckets are cumulative."""
    counters = RequestCounters()
    counters.count("/predict", 200, 0.002)
    counters.count("/predict", 200, 0.2)
    counters.count("/predict", 400, 99.0)

    lines = counters.text({"model_server_ready": ("gauge", "1 where requests can be taken", 1.0)}).splitlines()

    name = "model_server_response_time_seconds"
    assert 'model_server_requests_total{path="/predict",status="200"} 2' in lines
    assert 'model_server_requests_total{path="/predict",status="400"} 1' in lines
    assert f'{name}_bucket{{path="/predict",le="0.001"}} 0' in lines
    assert f'{name}_bucket{{path="/predict",le="0.0025"}} 1' in lines
    assert f'{name}_bucket{{path="/predict",le="10.0"}} 2' in lines
    assert f'{name}_bucket{{path="/predict",le="+Inf"}} 3' in lines
    assert f'{name}_count{{path="/predict"}} 3' in lines
    assert f'{name}_sum{{path="/predict"}} 99.202' in lines
    assert lines[-2:] == ["# TYPE model_server_ready gauge", "model_server_ready 1"]
