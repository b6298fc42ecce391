"""The two formulas of the article about compressed models, for the weights of one layer (pure).

The article calls Q(x) = x / ||x|| quantisation, and C(x) = sign(x) compression. The first is L2 normalisation. The
second is binarisation; with a scale for each channel it is that of the weights of XNOR-Net (M. Rastegari et al., 2016,
https://arxiv.org/abs/1603.05279, equation 6). `docs/article.md` has what they do to a model.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Kernel = npt.NDArray[np.floating[Any]]
Axes = tuple[int, ...]


def scaled_sign(kernel: Kernel, axes: Axes) -> Kernel:
    """Return sign(x), times the mean of |x| of the channel: of all +-a, it is nearest to x by squares.

    Parameters
    ----------
    kernel : the weights of a layer.
    axes : the dimensions over which the layer sums; the others number its channels.

    >>> scaled_sign(np.array([[1.0, -4.0], [-3.0, 0.0]]), (0,))
    array([[ 2., -2.],
           [-2.,  0.]])
    """
    scale = abs(kernel).mean(axis=axes, keepdims=True)
    signs: Kernel = (np.sign(kernel) * scale).astype(kernel.dtype)
    return signs


def l2_normalised(kernel: Kernel, axes: Axes) -> Kernel:
    """Return x / ||x|| of each channel; a channel of zeros stays.

    Parameters
    ----------
    kernel : the weights of a layer.
    axes : the dimensions over which the layer sums; the others number its channels.

    >>> l2_normalised(np.array([[3.0, 0.0], [4.0, 0.0]]), (0,))
    array([[0.6, 0. ],
           [0.8, 0. ]])
    """
    norms = np.sqrt((kernel.astype(np.float64) ** 2).sum(axis=axes, keepdims=True))
    normalised: Kernel = np.divide(kernel, norms, out=np.zeros_like(norms + kernel), where=norms > 0)
    return normalised.astype(kernel.dtype)
