"""A plain Flask application over the same SavedModel: what a team writes first. It logs nothing.

Arguments: the folder of the SavedModel, threads of waitress, threads of TensorFlow for an operation, the address file.
"""

from __future__ import annotations

import sys
from typing import Any

from address import publish
from flask import Flask, jsonify, request
from loaded_signature import LoadedSignature
from waitress import create_server


def application(model: LoadedSignature) -> Flask:
    """Return the application."""
    app = Flask(__name__)

    @app.post("/predict")
    def predict() -> Any:
        body = request.get_json()
        return jsonify(predictions=model.answers(body.get("instances") or [body]))

    return app


if __name__ == "__main__":
    folder, threads, intra = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    server = create_server(application(LoadedSignature(folder, intra)), host="127.0.0.1", port=0, threads=threads)
    publish(server.effective_port)
    server.run()
