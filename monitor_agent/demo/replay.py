"""The replay of a click log: one call of `/predict` per impression, in event-time order, and the clicks to `/feedback`.

The log has no time of its own for a click: a click is sent with its impression's time plus `CLICK_DELAY`.
"""

from __future__ import annotations

import http.client
import json
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from monitor_agent.contracts import uuid7
from monitor_agent.demo.open_bandit import Impression
from monitor_agent.demo.pages import PagePosition
from monitor_agent.errors import StackError
from monitor_agent.pipeline import instants

CLICK_DELAY = timedelta(seconds=1)
SCENE = "recommendation"
LABELS = ("scene", "slot")
NUMERIC_FEATURES, CATEGORICAL_FEATURES = ("price", "affinity", "history"), ("hours",)
TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class Response:
    """The answer of `/predict` for one instance, and the log's truth."""

    prediction_id: str
    timestamp: str
    model_version: str
    score: float
    label: int
    click: int


class ModelServerClient:
    """One kept-alive connection to a model server."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._url = url
        self._connection = http.client.HTTPConnection(
            address.hostname or "127.0.0.1", address.port or 80, timeout=TIMEOUT_SECONDS
        )

    def post(self, path: str, body: Any) -> Any:
        """Return the decoded answer to `body`, sent as JSON.

        Raises
        ------
        StackError
            If the server refuses the request or cannot be reached.
        """
        try:
            self._connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            answer = self._connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise StackError(f"{self._url}{path} does not answer ({error})", "read the model server's log") from error
        if answer.status >= 300:
            reason = content[:300].decode(errors="replace")
            raise StackError(f"{self._url}{path} answered {answer.status}: {reason}", "read the model server's log")
        return json.loads(content)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class Replay:
    """One replay to one model server.

    Attributes
    ----------
    feedback : `event.id` of each click that the server has accepted.
    """

    def __init__(self, client: ModelServerClient) -> None:
        self.feedback: list[str] = []
        self._client = client

    def responses(self, impressions: Iterable[tuple[Impression, PagePosition]]) -> Iterator[Response]:
        """Yield the answer to each impression, in order; a click is sent when the log's time has reached it."""
        clicks: deque[tuple[datetime, str]] = deque()
        for impression, position in impressions:
            while clicks and clicks[0][0] <= impression.timestamp:
                self._click(*clicks.popleft())
            response = self._predict(impression, position)
            if impression.click:
                clicks.append((impression.timestamp + CLICK_DELAY, response.prediction_id))
            yield response
        for moment, prediction_id in clicks:
            self._click(moment, prediction_id)

    def _predict(self, impression: Impression, position: PagePosition) -> Response:
        moment = instants.text(impression.timestamp)
        instance: dict[str, Any] = {
            "text_a": impression.text_a,
            "text_b": impression.text_b,
            "item_id": str(impression.item_id),
            "position": impression.position,
            "propensity": impression.propensity,
            "features": impression.features,
        }
        if position.size > 1:
            instance["ranking"] = {"id": position.page, "rank": position.rank, "size": position.size}
        context = {"labels": {"scene": SCENE, "slot": impression.slot}, "query": impression.audience}
        answer = self._client.post("/predict", {"timestamp": moment, "context": context, "instances": [instance]})
        (prediction,) = answer["predictions"]
        return Response(
            prediction_id=prediction["prediction_id"],
            timestamp=moment,
            model_version=answer["model"]["version"],
            score=prediction["score"],
            label=prediction["label"],
            click=impression.click,
        )

    def _click(self, moment: datetime, prediction_id: str) -> None:
        event_id = uuid7.make(moment)
        self._client.post(
            "/feedback",
            {
                "prediction_id": prediction_id,
                "type": "click",
                "event_id": event_id,
                "timestamp": instants.text(moment),
            },
        )
        self.feedback.append(event_id)
