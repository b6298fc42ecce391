"""Groups of windows that are computed together (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from monitor_agent.pipeline.instants import WEEK
from monitor_agent.pipeline.stale_windows import ModelWindow
from monitor_agent.pipeline.windows import Window

BATCH_SIZE = 64


def by_model(model_windows: Iterable[ModelWindow]) -> Iterator[tuple[str, list[Window]]]:
    """Yield each model with its windows, in order."""
    rows = list(model_windows)
    for model in sorted({model for model, _ in rows}):
        yield model, sorted(window for name, window in rows if name == model)


def batches(windows: Sequence[Window], size: int = BATCH_SIZE) -> Iterator[list[Window]]:
    """Yield batches of windows, in order.

    A batch covers less than a week, so that the windows a week before are written before they are compared with.
    """
    batch: list[Window] = []
    for window in windows:
        if batch and (len(batch) == size or window.end - batch[0].start > WEEK):
            yield batch
            batch = []
        batch.append(window)
    if batch:
        yield batch
