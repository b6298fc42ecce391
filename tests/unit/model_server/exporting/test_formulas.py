"""The article's formulas: what they keep of the weights, and what they change."""

from __future__ import annotations

import numpy as np
import pytest

from model_server.exporting.formulas import Axes, l2_normalised, scaled_sign

KERNEL = np.random.default_rng(3).standard_normal((5, 4, 3)).astype(np.float32)
AXES = [(0,), (1,), (0, 1)]


@pytest.mark.parametrize("axes", AXES)
def test_the_signs_keep_sign_and_mean_size_of_each_channel(axes: Axes) -> None:
    """One size for each channel, and of all sizes the one with the smallest squared error."""
    signs = scaled_sign(KERNEL, axes)
    sizes = abs(signs)

    assert signs.dtype == np.float32
    assert (np.sign(signs) == np.sign(KERNEL)).all()
    np.testing.assert_allclose(sizes, np.broadcast_to(sizes.max(axis=axes, keepdims=True), sizes.shape))
    errors = [((KERNEL - signs * factor) ** 2).sum() for factor in (0.9, 1.0, 1.1)]
    assert min(errors) == errors[1]


@pytest.mark.parametrize("axes", AXES)
def test_the_norm_of_each_channel_is_one_and_nothing_else_changes(axes: Axes) -> None:
    """With the norms as a scale, the weights are what they were: nothing is gained."""
    normalised = l2_normalised(KERNEL, axes)
    norms = np.sqrt((KERNEL**2).sum(axis=axes, keepdims=True))

    np.testing.assert_allclose((normalised**2).sum(axis=axes), 1, rtol=1e-6)
    np.testing.assert_allclose(normalised * norms, KERNEL, rtol=1e-6)


def test_a_channel_of_zeros_stays() -> None:
    """No division by zero."""
    zeros = np.zeros((3, 2), np.float32)

    assert not scaled_sign(zeros, (0,)).any()
    assert not l2_normalised(zeros, (0,)).any()
