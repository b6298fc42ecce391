"""Ranking metrics of a window: means over its requests with a click, from mergeable sums.

A request without a click gives no information about the order. The means leave it out, and the share of these
requests is reported.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from monitor_agent.metrics._spec import ConfidenceInterval, MetricSpec, Undefined
from monitor_agent.metrics.average_precision_at_k import average_precision_at_k
from monitor_agent.metrics.hit_rate import hit
from monitor_agent.metrics.ndcg import ndcg
from monitor_agent.metrics.reciprocal_rank import reciprocal_rank
from monitor_agent.metrics.wilson import Z_95, wilson_interval
from monitor_agent.metrics.window_state import FixedPoint, WindowState, from_fixed_point, to_fixed_point

REQUESTS, CLICKED_REQUESTS = "ranked_requests", "clicked_requests"
"""Names in `WindowState.counts`: the ranked lists that are judged, and the clicked ones among them."""

NOT_JUDGED = "not_judged."
"""The names in `WindowState.counts` of the ranked lists that are not judged begin with this text; a reason follows."""

NO_FIRST_ITEM, UNKNOWN_LABEL, IMMATURE_CLICK = "no_first_item", "unknown_label", "immature_click"
NOT_JUDGED_REASONS = {
    NO_FIRST_ITEM: "a list with a click lacks its first-ranked item",
    UNKNOWN_LABEL: "the label of the first-ranked item is unknown, and no item has a click",
    IMMATURE_CLICK: "a clicked item is younger than the attribution window, so other clicks may follow",
}
"""Reason why a ranked list is not judged -> its meaning."""

_SQUARE = "_square"

_LAST_RANK = 10
"""All metrics cut their lists here or earlier, except for the reciprocal rank of the first click."""

PerRequest = Callable[[Sequence[float]], float]


def _at(k: int) -> dict[str, tuple[PerRequest, str, str]]:
    return {
        f"ndcg_at_{k}": (partial(ndcg, k=k), f"mean NDCG of the first {k} ranks", "sklearn.metrics.ndcg_score"),
        f"hit_rate_at_{k}": (partial(hit, k=k), f"share of clicked requests with a click in the first {k}", "mean hit"),
        f"map_at_{k}": (partial(average_precision_at_k, k=k), f"mean average precision at {k}", "Manning 2008, 8.4"),
    }


PER_REQUEST: dict[str, tuple[PerRequest, str, str]] = {
    "mrr": (reciprocal_rank, "mean of 1 / rank of the first clicked item", "Voorhees 1999"),
    **_at(5),
    **_at(10),
}


def clicked_request_sums(clicked: Mapping[tuple[int, ...], int]) -> tuple[dict[str, int], dict[str, FixedPoint]]:
    """Return the entries of `WindowState.counts` and `WindowState.sums` for requests with a click.

    Parameters
    ----------
    clicked : number of requests by their clicked ranks (1 = first).

    >>> counts, sums = clicked_request_sums({(2,): 3})
    >>> counts, from_fixed_point(sums["mrr"])
    ({'clicked_requests': 3}, 1.5)
    """
    totals = {name + suffix: 0 for name in PER_REQUEST for suffix in ("", _SQUARE)}
    for ranks, requests in clicked.items():
        for name, value in _values(ranks).items():
            totals[name] += requests * to_fixed_point(value)
            totals[name + _SQUARE] += requests * to_fixed_point(value * value)
    sums = {name: FixedPoint(total) for name, total in totals.items()}
    return {CLICKED_REQUESTS: sum(clicked.values())}, sums


def _values(ranks: tuple[int, ...]) -> dict[str, float]:
    """Return the metrics of a list that was clicked at these ranks."""
    # Only the number of clicks behind the last rank counts: so a click at rank 1,000,000 makes no long list.
    gains = [float(rank in ranks) for rank in range(1, _LAST_RANK + 1)]
    gains += [1.0] * sum(rank > _LAST_RANK for rank in ranks)
    return {**{name: measure(gains) for name, (measure, _, _) in PER_REQUEST.items()}, "mrr": 1 / min(ranks)}


def not_judged_reasons(state: WindowState) -> list[str]:
    """Return why some ranked lists of a state are not judged, sorted; empty if all are."""
    return sorted(
        name.removeprefix(NOT_JUDGED)
        for name, count in state.counts.items()
        if name.startswith(NOT_JUDGED) and count > 0
    )


def mean_over_requests(state: WindowState, name: str) -> float | Undefined:
    """Return the mean of a per-request metric over requests with a click; else undefined (``no_clicked_requests``)."""
    clicked = state.counts.get(CLICKED_REQUESTS, 0)
    return from_fixed_point(state.sums.get(name, 0)) / clicked if clicked else Undefined("no_clicked_requests")


def mean_interval(state: WindowState, name: str) -> ConfidenceInterval | Undefined:
    """Return the normal 95 % interval of `mean_over_requests`; undefined (``too_few_requests``) below two requests."""
    mean, clicked = mean_over_requests(state, name), state.counts.get(CLICKED_REQUESTS, 0)
    if isinstance(mean, Undefined):
        return mean
    if clicked < 2:
        return Undefined("too_few_requests")
    variance = max(0.0, from_fixed_point(state.sums.get(name + _SQUARE, 0)) / clicked - mean * mean) / (clicked - 1)
    half = Z_95 * math.sqrt(variance)
    return ConfidenceInterval(max(0.0, mean - half), min(1.0, mean + half))


def share_without_click(state: WindowState) -> float | Undefined:
    """Return the share of requests without a click; undefined (``no_ranked_requests``) without ranked requests."""
    ranked = state.counts.get(REQUESTS, 0)
    return 1 - state.counts.get(CLICKED_REQUESTS, 0) / ranked if ranked else Undefined("no_ranked_requests")


def _not_judged(state: WindowState) -> int:
    return sum(count for name, count in state.counts.items() if name.startswith(NOT_JUDGED))


def _samples(state: WindowState) -> int:
    """Return the number of known labels; a list is judged in one window, even if its clicks are in the next."""
    return state.n or state.counts.get(REQUESTS, 0)


def _count(name: str, text: str, value: Callable[[WindowState], int]) -> MetricSpec:
    return MetricSpec(name, "count", text, value, range=(0, None), source="counted")


def _requests_without_click(state: WindowState) -> int:
    return state.counts.get(REQUESTS, 0) - state.counts.get(CLICKED_REQUESTS, 0)


SPECS = (
    *(
        MetricSpec(
            name,
            "ratio",
            text,
            partial(mean_over_requests, name=name),
            partial(mean_interval, name=name),
            bigger_is_better=True,
            source=source,
            samples=_samples,
        )
        for name, (_, text, source) in PER_REQUEST.items()
    ),
    MetricSpec(
        "requests_without_click",
        "ratio",
        "share of the judged ranked lists that have no click; the other ranking metrics leave them out",
        share_without_click,
        lambda s: wilson_interval(_requests_without_click(s), s.counts.get(REQUESTS, 0)),
        bigger_is_better=False,
        source="counted",
        samples=_samples,
    ),
    _count(REQUESTS, "ranked lists that are judged", lambda state: state.counts.get(REQUESTS, 0)),
    _count(CLICKED_REQUESTS, "judged ranked lists with a click", lambda state: state.counts.get(CLICKED_REQUESTS, 0)),
    _count("requests_not_judged", "ranked lists whose order cannot be judged", _not_judged),
)
