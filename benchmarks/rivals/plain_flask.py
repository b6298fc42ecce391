"""A plain Flask application over the same SavedModel: what a team writes first. It logs nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401
from flask import Flask, jsonify, request
from waitress import create_server

NAMES = {"input_word_ids": "input_seq", "input_mask": "input_mask", "segment_ids": "segment_ids"}


def application(folder: str) -> Flask:
    """Return the application."""
    loaded = tf.saved_model.load(folder)
    signature = loaded.signatures["serving_default"]
    app = Flask(__name__)
    app.config["model"] = loaded

    @app.post("/predict")
    def predict() -> Any:
        body = request.get_json()
        rows = body.get("instances") or [body]
        width = max(len(row["input_seq"]) for row in rows)
        columns = {}
        for name, field in NAMES.items():
            padded = np.zeros((len(rows), width), np.int32)
            for place, row in enumerate(rows):
                padded[place, : len(row[field])] = row[field]
            columns[name] = tf.constant(padded)
        scores = signature(**columns)["score"].numpy()
        return jsonify(predictions=[{"score": float(score), "label": int(score >= 0.5)} for score in scores])

    return app


def main(folder: str, threads: int, intra: int, address_file: Path) -> None:
    """Serve until the process is ended."""
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.threading.set_intra_op_parallelism_threads(intra)
    app = application(folder)
    server = create_server(app, host="127.0.0.1", port=0, threads=threads)
    address_file.write_text(f"http://127.0.0.1:{server.effective_port}")
    server.run()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
