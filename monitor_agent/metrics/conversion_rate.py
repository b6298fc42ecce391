"""Conversion rate: the share of clicks that led to a purchase."""

from __future__ import annotations

from monitor_agent.metrics._spec import ConfidenceInterval, MetricSpec, Undefined
from monitor_agent.metrics.wilson import wilson_interval


def conversion_rate(conversions: int, clicks: int) -> float | Undefined:
    """conversions / clicks, both counted by prediction.

    Undefined: ``no_clicks``; ``more_conversions_than_clicks`` if purchases come without their clicks.

    >>> conversion_rate(conversions=3, clicks=60)
    0.05
    """
    if conversions > clicks:
        return Undefined("more_conversions_than_clicks")
    return conversions / clicks if clicks else Undefined("no_clicks")


def _interval(conversions: int, clicks: int) -> ConfidenceInterval | Undefined:
    rate = conversion_rate(conversions, clicks)
    return rate if isinstance(rate, Undefined) else wilson_interval(conversions, clicks)


SPEC = MetricSpec(
    "conversion_rate",
    "ratio",
    "share of clicked predictions that led to a purchase",
    lambda s: conversion_rate(s.conversions, s.clicks),
    lambda s: _interval(s.conversions, s.clicks),
    bigger_is_better=True,
    source="conversions / clicks",
)
