"""The frequency of the garbage collection."""

from __future__ import annotations

import gc

from monitor_agent.gc_tuning import rare_garbage_collection


def test_garbage_is_collected_rarely_only_within_the_block() -> None:
    """The end of the outer block restores the thresholds; the end of a nested block does not."""
    before = gc.get_threshold()

    with rare_garbage_collection():
        with rare_garbage_collection():
            pass
        assert gc.get_threshold()[0] > before[0]

    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
