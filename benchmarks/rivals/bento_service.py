"""The service of BentoML; access log and metrics are off. `bento_server.py` starts it."""

from __future__ import annotations

import json
import os
from typing import Any

import bentoml
from loaded_signature import LoadedSignature

FOLDER, WORKERS, SIZE, DELAY, INTRA = json.loads(os.environ["BENCH_BENTO"])
OFF = {"enabled": False}


@bentoml.service(workers=int(WORKERS), logging={"access": OFF}, metrics=OFF, traffic={"timeout": 60})
class Click:
    """Requests of several instances; a batch joins the instances of its requests."""

    def __init__(self) -> None:
        self._model = LoadedSignature(FOLDER, int(INTRA))

    @bentoml.api(route="/predict", batchable=True, max_batch_size=int(SIZE), max_latency_ms=int(DELAY))
    def predict(self, instances: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the answer of each instance."""
        return self._model.answers(instances)
