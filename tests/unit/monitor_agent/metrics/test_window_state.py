"""The rules of merging windows, and the stored form of a state."""

from __future__ import annotations

import base64

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from monitor_agent.metrics import (
    DURATION_EDGES,
    LogHistogram,
    WindowState,
    measure,
    merge,
    merge_all,
    reconcile,
    to_fixed_point,
)

from .states import clicks_and_scores, state_of, states

quick = hypothesis.settings(max_examples=60, deadline=None)


class TestMerge:
    @quick
    @hypothesis.given(states, states, states)
    def test_order_and_grouping_do_not_matter(self, a: WindowState, b: WindowState, c: WindowState) -> None:
        """Merging is associative and commutative, down to the stored bytes."""
        expected = merge(merge(a, b), c).to_blob()

        assert expected == merge(c, merge(b, a)).to_blob()
        assert expected == merge_all([b, c, a]).to_blob()

    @quick
    @hypothesis.given(states)
    def test_the_empty_state_is_zero(self, state: WindowState) -> None:
        """Merging with an empty window changes nothing."""
        assert state == merge(state, WindowState())

    def test_merged_windows_equal_the_whole(self) -> None:
        """Metrics of merged windows equal those of all predictions counted together."""
        labels, scores = clicks_and_scores(3)
        windows = [state_of(labels[i::7], scores[i::7]) for i in range(7)]

        expected = {name: value for name, value in measure(state_of(labels, scores)).items() if value is not None}
        merged = measure(merge_all(windows))
        for name, value in expected.items():
            assert merged[name] == (value if isinstance(value, str) else pytest.approx(value, rel=1e-12)), name


class TestBlob:
    @quick
    @hypothesis.given(states)
    def test_round_trip(self, state: WindowState) -> None:
        """A stored state is read back unchanged."""
        assert state == WindowState.from_blob(state.to_blob())

    @quick
    @hypothesis.given(st.lists(states, max_size=5))
    def test_several_blobs_are_read_together(self, several: list[WindowState]) -> None:
        """The states equal those that are read one by one."""
        assert WindowState.from_blobs([state.to_blob() for state in several]) == several

    def test_a_truncated_blob_reads_nothing_of_the_next(self) -> None:
        """It is refused even if both blobs together are a valid blob."""
        text = WindowState(tp=1, fp=300).to_blob()
        whole = base64.b64decode(text)
        with pytest.raises(ValueError, match="cut short"):
            WindowState.from_blobs([base64.b64encode(whole[:-1]).decode(), base64.b64encode(whole[-1:]).decode()])

    def test_text_does_not_depend_on_insertion_order(self) -> None:
        """Equal states give equal text."""
        assert WindowState(scores_pos={1: 2, 9: 1}).to_blob() == WindowState(scores_pos={9: 1, 1: 2}).to_blob()

    def test_a_stored_text_stays_readable(self) -> None:
        """Blobs of earlier releases stay readable, because new fields are only appended."""
        state = WindowState(tp=3, errors=2, scores_unknown={5: 300}, counts={"a": 1}, sums={"b": to_fixed_point(-0.5)})

        assert state == WindowState.from_blob("BBQGJAQ4AgrYBEoCwgUCTALEBf//////////Dw==")

    @pytest.mark.parametrize("text", ["", "not base64!", "Bg==", "BBY=", "BBb/", "BKwC"])
    def test_invalid_text_is_refused(self, text: str) -> None:
        """Damaged text, another version and unknown tags are errors."""
        with pytest.raises(ValueError):
            WindowState.from_blob(text)

    def test_size_of_a_full_hour(self) -> None:
        """The blob of 10,000 predictions is shorter than 9 kB."""
        labels, scores = clicks_and_scores(1, 10_000)

        assert len(state_of(labels, scores).to_blob()) < 9_000


class TestReconcile:
    def test_rounding_is_not_a_change(self) -> None:
        """If sums differ only in their last bits, the stored state is returned."""
        stored = WindowState(fp=2, score_sum=to_fixed_point(0.3), sums={"x": to_fixed_point(1e6)})
        current = WindowState(
            fp=2, score_sum=to_fixed_point(0.1 + 0.2), sums={"x": to_fixed_point(np.nextafter(1e6, 2e6))}
        )

        assert stored is reconcile(current, stored)

    @pytest.mark.parametrize(
        "current", [{"fp": 3}, {"fp": 2, "score_sum": to_fixed_point(0.3001)}, {"fp": 2, "scores_neg": {1: 1}}]
    )
    def test_a_larger_difference_is_a_change(self, current: dict[str, int]) -> None:
        """Another count, histogram or sum is a change."""
        state = WindowState(**current)  # type: ignore[arg-type]

        assert state is reconcile(state, WindowState(fp=2, score_sum=to_fixed_point(0.3)))


class TestLogHistogram:
    def test_extremes_bound_the_open_ends(self) -> None:
        """Quantiles outside the edges stay between the smallest and the largest value."""
        times = LogHistogram.from_values([3, 500 * 10**9], DURATION_EDGES)

        assert 3 <= times.quantile(0.1, DURATION_EDGES) < DURATION_EDGES[0]
        assert DURATION_EDGES[-1] <= times.quantile(1.0, DURATION_EDGES) <= 500 * 10**9

    def test_zero_is_a_value(self) -> None:
        """A time of 0 ns survives the stored text."""
        state = WindowState(duration=LogHistogram.from_values([0], DURATION_EDGES))

        assert WindowState.from_blob(state.to_blob()).duration.minimum == 0
        assert measure(state)["response_time_p50"] == 0.0
