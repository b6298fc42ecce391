"""Versions: their order is natural, and total for every text."""

from __future__ import annotations

import random

import hypothesis
import pytest
from hypothesis import strategies as st

from monitor_agent.contracts.model_names import version_order


@pytest.mark.parametrize(
    "versions",
    [
        ["2", "10"],
        ["1.9", "1.10", "1.10.1", "2"],
        ["v9", "v10", "v10-rc1"],
        ["2026-9-30", "2026-10-01"],
        ["5", "5\u00b2", "7", "7\u00bd"],
        ["007", "7", "7a", "08"],
        ["", "1", "all", "click-\u0663", "final"],
        ["9" * 200, "1" + "0" * 200],
    ],
)
def test_versions_are_ordered_by_the_values_of_their_numbers(versions: list[str]) -> None:
    """A version that is older for a reader comes first; no text is refused."""
    mixed = random.Random(2).sample(versions, len(versions))

    assert sorted(mixed, key=version_order) == versions


@hypothesis.given(st.lists(st.text(st.sampled_from("019a.\u00b2\u0663-"), max_size=6), unique=True))
def test_the_order_does_not_depend_on_the_order_before(versions: list[str]) -> None:
    """Different versions never have the same place."""
    backwards = versions[::-1]
    assert sorted(versions, key=version_order) == sorted(backwards, key=version_order)
    assert len({repr(version_order(version)) for version in versions}) == len(versions)
