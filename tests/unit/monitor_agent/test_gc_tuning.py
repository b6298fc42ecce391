"""How often garbage is looked for."""

from __future__ import annotations

import gc

from monitor_agent.gc_tuning import rare_garbage_collection


def test_garbage_is_looked_for_less_often_within_the_block_alone() -> None:
    """Afterwards all is as before; one within the other ends nothing too soon."""
    before = gc.get_threshold()

    with rare_garbage_collection():
        with rare_garbage_collection():
            pass
        assert gc.get_threshold()[0] > before[0]

    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
