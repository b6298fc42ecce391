"""A handler in the form of TorchServe that logs what it predicts.

TorchServe calls `initialize` once in each worker, and `handle` with the requests of a batch. The model here is a
logistic one in `weights.json`, an extra file of the archive; with PyTorch, `initialize` loads a module and `inference`
calls it.
"""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path
from typing import Any

from monitor_agent.prediction_log import PredictionLog


class ClickHandler:
    """Scores instances such as `{"item": "14", "features": {"price": 2.5}}`."""

    def initialize(self, context: Any) -> None:
        """Load the model, and open the log: name and version come from the archive."""
        folder = Path(context.system_properties["model_dir"])
        self.weights: dict[str, float] = json.loads((folder / "weights.json").read_text(encoding="utf-8"))
        model = context.manifest["model"]
        self.log = PredictionLog(
            os.environ.get("MODEL_LOG_DIR", "var/log/torchserve"),
            model=model["modelName"],
            version=model["modelVersion"],
            engine="pytorch",
            service_name="torchserve",
        )

    def handle(self, data: list[dict[str, Any]], context: Any) -> list[list[dict[str, Any]]]:
        """Return an answer for each request of the batch; each request is a ranked list of its own."""
        began = time.perf_counter_ns()
        batch = [self.preprocess(row) for row in data]
        scores = self.inference([instance for instances in batch for instance in instances])
        spent = time.perf_counter_ns() - began
        answers, start = [], 0
        for number, instances in enumerate(batch):
            part = scores[start : start + len(instances)]
            start += len(instances)
            answers.append(self.postprocess(instances, part, context.get_request_id(number), spent, len(scores)))
        return answers

    def preprocess(self, row: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the instances of a request; TorchServe puts its body under `data` or `body`."""
        body = row.get("data") or row.get("body") or b"[]"
        instances = json.loads(body) if isinstance(body, (bytes, bytearray, str)) else body
        return instances if isinstance(instances, list) else instances["instances"]

    def inference(self, instances: list[dict[str, Any]]) -> list[float]:
        """Return the score of each instance."""
        logits = (
            sum(weight * instance["features"].get(name, 0.0) for name, weight in self.weights.items())
            for instance in instances
        )
        return [1 / (1 + math.exp(-logit)) for logit in logits]

    def postprocess(
        self, instances: list[dict[str, Any]], scores: list[float], request_id: str, spent: int, batch_size: int
    ) -> list[dict[str, Any]]:
        """Log the predictions of a request, and return them with their ids."""
        records = [
            {
                "score": score,
                "item_id": instance.get("item"),
                "features": {"numeric": instance["features"]},
                "compute_time": spent,
                "batch_size": batch_size,
            }
            for instance, score in zip(instances, scores, strict=True)
        ]
        answers = self.log.predictions(records, request_id=request_id, duration=spent)
        return [{"prediction_id": answer.id, **answer.outcome} for answer in answers]
