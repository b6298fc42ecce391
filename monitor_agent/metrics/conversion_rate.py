"""Conversion rate: the share of clicked predictions that led to a purchase."""

from __future__ import annotations

from monitor_agent.metrics._spec import ConfidenceInterval, MetricSpec, Undefined
from monitor_agent.metrics.wilson import wilson_interval
from monitor_agent.metrics.window_state import WindowState

WITHOUT_CLICK = "conversions_without_click"
"""Name in `WindowState.counts`: predictions with a purchase, but without a click. States of earlier releases lack it:
all their conversions are taken as those of clicked predictions, as these releases did."""


def conversion_rate(conversions: int, clicks: int) -> float | Undefined:
    """conversions / clicks: clicked predictions with a purchase / clicked predictions.

    Undefined: ``no_clicks``; ``more_conversions_than_clicks`` for states of earlier releases whose purchases come
    without their clicks.

    >>> conversion_rate(conversions=3, clicks=60)
    0.05
    """
    if conversions > clicks:
        return Undefined("more_conversions_than_clicks" if clicks else "no_clicks")
    return conversions / clicks if clicks else Undefined("no_clicks")


def _after_click(state: WindowState) -> int:
    return state.conversions - state.counts.get(WITHOUT_CLICK, 0)


def _interval(conversions: int, clicks: int) -> ConfidenceInterval | Undefined:
    rate = conversion_rate(conversions, clicks)
    return rate if isinstance(rate, Undefined) else wilson_interval(conversions, clicks)


SPEC = MetricSpec(
    "conversion_rate",
    "ratio",
    "share of clicked predictions that led to a purchase",
    lambda s: conversion_rate(_after_click(s), s.clicks),
    lambda s: _interval(_after_click(s), s.clicks),
    bigger_is_better=True,
    label_free=True,
    all_kinds=True,
    source="clicked predictions with a purchase / clicked predictions",
)
