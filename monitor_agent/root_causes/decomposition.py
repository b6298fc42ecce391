"""The split of a metric's change into two parts: other rates of the values, another mix of the values (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from monitor_agent.root_causes.value_sums import Change, Measure, total


@dataclass(frozen=True)
class Effect:
    """What a value adds to the change of the whole.

    Attributes
    ----------
    rate : because the metric of this value changed.
    mix : because the value's part in the whole changed.
    """

    rate: float
    mix: float


def effects(changes: Mapping[str, Change], measure: Measure) -> dict[str, Effect]:
    """Return the effect of each value; together, they are the change of the metric of all values.

    Parameters
    ----------
    changes : value -> its change; each prediction has one value.

    Empty if one side has no predictions.

    Source: E. Kitagawa, "Components of a difference between two rates", JASA 50 (1955). The mix is measured against the
    mean of all values, so that a value with the mean rate has none.

    >>> from monitor_agent.root_causes.value_sums import MEASURES, share
    >>> scenes = {"ad": Change(share(10, 90), share(2, 98)), "search": Change(share(20, 80), share(20, 80))}
    >>> split = effects(scenes, MEASURES["binary"]["positive_rate"])
    >>> round(split["ad"].rate, 3), round(split["search"].rate, 3)
    (-0.04, 0.0)
    """
    whole = total(changes.values())
    before, after = measure.value(whole.before), measure.value(whole.after)
    if before is None or after is None:
        return {}
    middle = (before + after) / 2
    base, other = measure.denominator(whole.before), measure.denominator(whole.after)
    split: dict[str, Effect] = {}
    for value, change in changes.items():
        part_before = measure.denominator(change.before) / base
        part_after = measure.denominator(change.after) / other
        rates = [rate for rate in (measure.value(change.before), measure.value(change.after)) if rate is not None]
        if rates:
            # A value that only one side has: its rate is taken to be the same, so all of its effect is mix.
            split[value] = Effect(
                rate=(part_before + part_after) / 2 * (rates[-1] - rates[0]),
                mix=(part_after - part_before) * ((rates[0] + rates[-1]) / 2 - middle),
            )
    return split
