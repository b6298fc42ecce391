"""Writes a logistic regression as a SavedModel: `python -m model_server.training.linear --weights FILE --out DIR`.

The file is JSON: `name` and `threshold` of the model; `features`, the names of its columns; `weights`, one for each;
`intercept`. The SavedModel takes a float32 matrix `x` of shape (batch, features) and returns `score` of shape (batch,).
Its `model.json` says that a row of `x` comes from the instance's `features`, by their names.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

ENTRIES = "model.json"


def save_linear(model: Mapping[str, Any], folder: Path) -> None:
    """Write the SavedModel of a logistic regression, and its `model.json`."""
    weights = tf.constant(model["weights"], tf.float32)
    intercept = tf.constant(model["intercept"], tf.float32)
    spec = tf.TensorSpec([None, len(model["weights"])], tf.float32, name="x")

    @tf.function(input_signature=[spec])  # type: ignore[untyped-decorator]
    def serve(x: Any) -> dict[str, Any]:
        return {"score": tf.sigmoid(tf.linalg.matvec(x, weights) + intercept)}

    module = tf.Module()
    module.serve = serve
    tf.saved_model.save(module, str(folder), signatures={"serving_default": serve})
    entries = {name: model[name] for name in ("name", "threshold")}
    (folder / ENTRIES).write_text(json.dumps({**entries, "inputs": {"x": list(model["features"])}}), "utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the model that the command line names and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m model_server.training.linear", description=__doc__)
    parser.add_argument("--weights", type=Path, required=True, help="JSON file of the model")
    parser.add_argument("--out", type=Path, required=True, help="folder of the SavedModel")
    args = parser.parse_args(arguments)
    save_linear(json.loads(args.weights.read_text("utf-8")), args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
