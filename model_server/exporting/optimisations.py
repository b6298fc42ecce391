"""The ways to make a version smaller or faster: each changes a copy of the version in its folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_server.engines.loaded_graph import LoadedGraph
from model_server.exporting.conversion import FLOAT16, INT8, convert
from model_server.exporting.formulas import Kernel, l2_normalised, scaled_sign
from model_server.exporting.kernels import kernel_axes, rewrite
from model_server.model_card import LITERT, LITERT_FILE
from model_server.signatures.tensor_spec import SignatureSpec
from monitor_agent.errors import ModelError


@dataclass(frozen=True)
class Optimisation:
    """A way to optimise.

    Attributes
    ----------
    method : what it does, for the model card.
    apply : changes the copy in a folder; it gets the loaded source, the main signature and the folder, and returns
        entries of `model.json`.
    """

    method: str
    apply: Callable[[LoadedGraph, SignatureSpec, Path], dict[str, Any]]


def _converted(weights: str) -> Callable[[LoadedGraph, SignatureSpec, Path], dict[str, Any]]:
    def apply(graph: LoadedGraph, signature: SignatureSpec, folder: Path) -> dict[str, Any]:
        content = convert(graph, signature, weights)
        try:
            (folder / LITERT_FILE).write_bytes(content)
        except OSError as error:
            raise ModelError(f"{folder} cannot be written ({error.strerror})", "free disk space") from error
        return {"engine": LITERT, "engine_file": LITERT_FILE}

    return apply


def _rewritten(formula: Callable[..., Kernel]) -> Callable[[LoadedGraph, SignatureSpec, Path], dict[str, Any]]:
    def apply(graph: LoadedGraph, signature: SignatureSpec, folder: Path) -> dict[str, Any]:
        rewrite(graph, kernel_axes(graph, signature), folder, formula)
        return {}

    return apply


OPTIMISATIONS = {
    "litert-int8": Optimisation(
        "LiteRT computes the main signature; weights of matrix products have 8 bits (dynamic range quantisation)",
        _converted(INT8),
    ),
    "float16": Optimisation(
        "LiteRT computes the main signature; weights have 16 bits, and are computed as float32", _converted(FLOAT16)
    ),
    "sign": Optimisation(
        "C(x) = sign(x), times the mean of |x| of each channel, for the weights of matrix products and convolutions; "
        "stored and computed as float32",
        _rewritten(scaled_sign),
    ),
    "l2": Optimisation(
        "Q(x) = x / ||x|| of each channel, for the weights of matrix products and convolutions; stored and computed as "
        "float32",
        _rewritten(l2_normalised),
    ),
}
