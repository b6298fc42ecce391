"""Whether two states differ only by the rounding of sums."""

from __future__ import annotations

from monitor_agent.metrics.window_state import FIELDS, WindowState

_REAL_SUMS = frozenset(
    {
        "score_sum", "score_square_sum", "score_sum_pos", "score_sum_neg", "score_square_sum_pos",
        "score_square_sum_neg", "log_loss_pos", "log_loss_neg", "value_sum", "score_sum_shown_unknown",
        "score_sum_predicted_positive",
    }
)  # fmt: skip


def reconcile(current: WindowState, stored: WindowState, tolerance: float = 1e-12) -> WindowState:
    """Return ``stored`` if ``current`` differs from it only by rounding, else ``current``.

    A search engine adds floats in any order, so the same documents may give sums with different last bits. That is no
    reason to write a document again. Counts must be equal; the relative difference of sums may be ``tolerance``.

    >>> from monitor_agent.metrics.window_state import to_fixed_point
    >>> state = WindowState(tp=1, log_loss_pos=to_fixed_point(0.3))
    >>> reconcile(WindowState(tp=1, log_loss_pos=to_fixed_point(0.1 + 0.2)), state) is state
    True
    """
    for name in FIELDS:
        new, old = getattr(current, name), getattr(stored, name)
        if new == old:
            continue
        if name == "sums":
            equal = all(_close(new.get(key, 0), old.get(key, 0), tolerance) for key in new.keys() | old.keys())
        else:
            equal = name in _REAL_SUMS and _close(new, old, tolerance)
        if not equal:
            return current
    return stored


def _close(left: int, right: int, tolerance: float) -> bool:
    # In integers: a sum may be too large for a float.
    return abs(left - right) * round(1 / tolerance) <= max(abs(left), abs(right))
