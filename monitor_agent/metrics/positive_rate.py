"""Positive rate: the share of positives of a model that is judged by purchases or labels, not by clicks."""

from __future__ import annotations

from dataclasses import replace

from monitor_agent.metrics._spec import MetricSpec, Undefined
from monitor_agent.metrics.click_through_rate import SPEC as CTR
from monitor_agent.metrics.click_through_rate import click_through_rate
from monitor_agent.metrics.wilson import wilson_interval

CLICK = "click"
"""The type of feedback whose positives are clicks: only with it the share of positives is a CTR."""

SPEC = MetricSpec(
    "positive_rate",
    "ratio",
    "positives per prediction with a known label, of a model that is judged by purchases or labels",
    lambda s: click_through_rate(s.positives, s.n),
    lambda s: wilson_interval(s.positives, s.n),
    bigger_is_better=True,
    source="positives / n",
)


def rate_name(judged_by: str) -> str:
    """Return the name of the share of positives of a model.

    Parameters
    ----------
    judged_by : the type of feedback that the model is judged by.

    >>> rate_name("click"), rate_name("label")
    ('ctr', 'positive_rate')
    """
    return CTR.name if judged_by == CLICK else SPEC.name


def judged_specs(specs: tuple[MetricSpec, ...], judged_by: str) -> tuple[MetricSpec, ...]:
    """Return the specs with `ctr` or `positive_rate` undefined (``judged_by_<type>``): the name that does not fit."""
    misnaming = SPEC.name if judged_by == CLICK else CTR.name
    reason = Undefined(f"judged_by_{judged_by}")
    return tuple(replace(spec, value=lambda _: reason) if spec.name == misnaming else spec for spec in specs)
