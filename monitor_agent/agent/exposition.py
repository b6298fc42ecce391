"""The agent's figures in the text format that Prometheus scrapes (pure).

Source: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from monitor_agent.agent.health import Health
from monitor_agent.contracts.cycle import FIELDS

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "monitor_agent_"


@dataclass(frozen=True)
class Family:
    """One metric: `samples` by the value of its one `label`, or by the empty text."""

    name: str
    kind: str
    help: str
    samples: Mapping[str, float]
    label: str = ""


def render(families: Iterable[Family]) -> str:
    """Return the text of metrics.

    >>> print(render([Family("x_total", "counter", "all of them", {"a": 1}, "kind")]), end="")
    # HELP monitor_agent_x_total all of them
    # TYPE monitor_agent_x_total counter
    monitor_agent_x_total{kind="a"} 1
    """
    lines = []
    for each in families:
        name = PREFIX + each.name
        lines += [f"# HELP {name} {each.help}", f"# TYPE {name} {each.kind}"]
        for value, sample in each.samples.items():
            label = f'{{{each.label}="{_escaped(value)}"}}' if each.label else ""
            lines.append(f"{name}{label} {sample:g}" if sample != int(sample) else f"{name}{label} {int(sample)}")
    return "\n".join(lines) + "\n"


def families(health: Health, requests: int, failures: int) -> list[Family]:
    """Return the agent's metrics.

    Parameters
    ----------
    requests, failures : requests to Elasticsearch so far, and those without a good answer.
    """
    figures = health.snapshot()
    since = health.since_last_cycle()
    found = [
        Family("healthy", "gauge", "1 where /healthz is green", {"": float(not health.reasons())}),
        Family("cycles_total", "counter", "cycles by outcome", dict(figures.cycles), "outcome"),
        Family("cycle_seconds_total", "counter", "time spent in cycles", {"": figures.seconds}),
        Family("windows_total", "counter", "base windows counted", {"": figures.windows}),
        Family("merged_total", "counter", "larger windows merged", {"": figures.merged}),
        Family("written_total", "counter", "metrics documents written", {"": figures.written}),
        Family("restated_total", "counter", "of them, those that had been final", {"": figures.restated}),
        Family("feedback_total", "counter", "feedback by what became of it", dict(figures.feedback), "status"),
        Family("elasticsearch_requests_total", "counter", "requests to Elasticsearch", {"": requests}),
        Family("elasticsearch_failures_total", "counter", "of them, those without a good answer", {"": failures}),
    ]
    if figures.alerts:
        found.append(Family("alerts_active", "gauge", "active firings by alert", figures.alerts, "alert"))
    if since is not None:
        found.append(Family("seconds_since_last_cycle", "gauge", "since a cycle was done", {"": since}))
    for name, value in figures.observed.items():
        found.append(Family(f"last_{name}", "gauge", FIELDS[name].help, {"": value}))
    return found


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
