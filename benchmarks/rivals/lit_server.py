"""LitServe over the same SavedModel, batching on; it logs nothing.

Arguments: the folder of the SavedModel, worker processes, HTTP processes, requests a batch, seconds of waiting for a
batch, threads of TensorFlow for an operation, the address file.
"""

from __future__ import annotations

import sys
from itertools import accumulate, pairwise
from typing import Any

import litserve
from address import free_port, publish
from loaded_signature import LoadedSignature


class ClickApi(litserve.LitAPI):
    """Requests of one instance or several; a batch joins the instances of its requests."""

    def __init__(self, folder: str, intra: int, **options: Any) -> None:
        super().__init__(**options)
        self._folder, self._intra = folder, intra

    def setup(self, device: Any) -> None:
        """Load the model in the worker process."""
        del device
        self._model = LoadedSignature(self._folder, self._intra)

    def decode_request(self, request):
        """Return the instances of a request."""
        return request.get("instances") or [request]

    def batch(self, inputs: Any) -> Any:
        """Return the instances of several requests, and where each request begins and ends."""
        return [row for rows in inputs for row in rows], [0, *accumulate(len(rows) for rows in inputs)]

    def predict(self, x: Any) -> Any:
        """Return the answers of all instances."""
        rows, bounds = x
        answers = self._model.answers(rows)
        return [answers[start:end] for start, end in pairwise(bounds)]

    def unbatch(self, output: Any) -> Any:
        """Return the answers of each request."""
        return output

    def encode_response(self, output: Any) -> Any:
        """Return the body of the answer."""
        return {"predictions": output}


if __name__ == "__main__":
    folder, workers, servers, size, delay, intra = sys.argv[1:7]
    api = ClickApi(folder, int(intra), max_batch_size=int(size), batch_timeout=float(delay))
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=int(workers), fast_queue=True)
    port = free_port()
    publish(port)
    server.run(
        host="127.0.0.1",
        port=port,
        num_api_servers=int(servers),
        generate_client_file=False,
        log_level="warning",
        access_log=False,
    )
