"""The agent's metrics as Prometheus reads them."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from prometheus_client.parser import text_string_to_metric_families

from monitor_agent.agent.exposition import metrics_text
from monitor_agent.agent.health import Health
from monitor_agent.agent.report import CycleReport, Tally
from monitor_agent.contracts.cycle import FIELDS

TEXT = """\
# HELP monitor_agent_healthy 1 if /healthz is green, else 0
# TYPE monitor_agent_healthy gauge
monitor_agent_healthy 0
# HELP monitor_agent_cycles_total cycles by outcome
# TYPE monitor_agent_cycles_total counter
monitor_agent_cycles_total{outcome="done"} 1
monitor_agent_cycles_total{outcome="failed"} 1
# HELP monitor_agent_cycle_seconds_total time spent in cycles
# TYPE monitor_agent_cycle_seconds_total counter
monitor_agent_cycle_seconds_total 4.5
# HELP monitor_agent_windows_total base windows counted
# TYPE monitor_agent_windows_total counter
monitor_agent_windows_total 3
# HELP monitor_agent_merged_total larger windows merged
# TYPE monitor_agent_merged_total counter
monitor_agent_merged_total 2
# HELP monitor_agent_written_total metrics documents written
# TYPE monitor_agent_written_total counter
monitor_agent_written_total 24
# HELP monitor_agent_restated_total final metrics documents written again
# TYPE monitor_agent_restated_total counter
monitor_agent_restated_total 1
# HELP monitor_agent_feedback_total feedback by its new status
# TYPE monitor_agent_feedback_total counter
monitor_agent_feedback_total{status="matched"} 12
# HELP monitor_agent_elasticsearch_requests_total requests to Elasticsearch
# TYPE monitor_agent_elasticsearch_requests_total counter
monitor_agent_elasticsearch_requests_total 14
# HELP monitor_agent_elasticsearch_failures_total requests to Elasticsearch that failed
# TYPE monitor_agent_elasticsearch_failures_total counter
monitor_agent_elasticsearch_failures_total 2
# HELP monitor_agent_not_counted stored events that cannot be counted
# TYPE monitor_agent_not_counted gauge
monitor_agent_not_counted{reason="kind multiclass"} 7
# HELP monitor_agent_alerts_active active firings by alert
# TYPE monitor_agent_alerts_active gauge
monitor_agent_alerts_active{alert="drift"} 1
monitor_agent_alerts_active{alert="a \\"b\\" \\\\ c"} 0
# HELP monitor_agent_seconds_since_last_cycle time since the last cycle was done
# TYPE monitor_agent_seconds_since_last_cycle gauge
monitor_agent_seconds_since_last_cycle 9.5
# HELP monitor_agent_last_lag_seconds LAG_HELP
# TYPE monitor_agent_last_lag_seconds gauge
monitor_agent_last_lag_seconds 0.25
# HELP monitor_agent_last_lost_lines LOST_HELP
# TYPE monitor_agent_last_lost_lines gauge
monitor_agent_last_lost_lines 3
"""
"""The text as it was before a library wrote it; the help of a cycle's figure is that of the field in its document."""


def test_the_metrics_have_the_names_labels_and_values_that_scrapes_rely_on() -> None:
    """The metrics of the Python process, which the library would add by itself, are not among them."""
    now = [100.0]
    health = Health(timedelta(minutes=1), lambda: "", lambda: now[0])
    health.began()
    now[0] += 4.0
    health.done(CycleReport(tally=Tally(windows=3, merged=2, written=24, restated=1), feedback=Counter(matched=12)))
    now[0] += 9.0
    health.began()
    now[0] += 0.5
    health.failed("refused")
    health.set_figures({"lag_seconds": 0.25, "lost_lines": 3})
    health.set_not_counted({"kind multiclass": 7})
    health.set_alerts({"drift": 1.0, 'a "b" \\ c': 0.0}, [])

    text = metrics_text(health, requests=14, failures=2)

    expected = TEXT.replace("LAG_HELP", FIELDS["lag_seconds"].help).replace("LOST_HELP", FIELDS["lost_lines"].help)
    assert list(text_string_to_metric_families(text)) == list(text_string_to_metric_families(expected))


def test_a_new_agent_has_no_metrics_of_cycles_and_alerts() -> None:
    """A metric without a value is left out."""
    text = metrics_text(Health(timedelta(minutes=1), lambda: ""), requests=0, failures=0)

    samples = {
        sample.name: sample.value for family in text_string_to_metric_families(text) for sample in family.samples
    }
    assert samples.pop("monitor_agent_healthy") == 1.0
    assert samples == {
        f"monitor_agent_{name}_total": 0.0
        for name in (
            "cycle_seconds",
            "windows",
            "merged",
            "written",
            "restated",
            "elasticsearch_requests",
            "elasticsearch_failures",
        )
    }
