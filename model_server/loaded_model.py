"""A version that is ready to serve: its engine, its batcher, the readers of its requests, and its log."""

from __future__ import annotations

from model_server.batching import Batcher, BatchLimits
from model_server.engines.engine import Engine
from model_server.predict_request import PredictParser
from model_server.signatures.instance_inputs import InputReader
from monitor_agent.contracts.bounds import NUMBER, PROBABILITY
from monitor_agent.contracts.kinds import REGRESSION
from monitor_agent.prediction_log import PredictionLog
from monitor_agent.settings import ServerSettings


class LoadedModel:
    """What serves the requests of one version.

    Parameters
    ----------
    engine : the model, warmed up.
    log : takes its predictions.
    """

    def __init__(self, settings: ServerSettings, engine: Engine, log: PredictionLog) -> None:
        self.engine = engine
        self.card = engine.card
        self.log = log
        self.inputs = InputReader(engine.plan.forms, engine.limits)
        self.parser = PredictParser(settings, self.inputs)
        self.batcher = Batcher(
            engine.compute,
            BatchLimits(
                settings.max_batch_size,
                settings.max_batch_delay.total_seconds(),
                settings.max_queue,
                settings.predict_timeout.total_seconds(),
                engine.parallel,
            ),
            group_of=lambda inputs: inputs.group,
            bounds=NUMBER if engine.kind == REGRESSION.name else PROBABILITY,
        )

    @property
    def name(self) -> dict[str, str]:
        """Name and version, as answers say them."""
        return {"name": self.card.name, "version": self.card.version}
