"""The replay of a click log: one call of `/predict` a page, in event-time order, and the clicks to `/feedback`.

Each impression keeps its own time. The log has none for a click: it is sent with its impression's plus `CLICK_DELAY`.
"""

from __future__ import annotations

import heapq
import http.client
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from monitor_agent.contracts import uuid7
from monitor_agent.demo.open_bandit import Impression
from monitor_agent.demo.pages import Page
from monitor_agent.errors import StackError
from monitor_agent.pipeline import instants

CLICK_DELAY = timedelta(seconds=1)
SCENE = "recommendation"
LABELS = ("scene", "visitor")
NUMERIC_FEATURES, CATEGORICAL_FEATURES = ("price", "affinity", "history"), ("hours",)
TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class Response:
    """What `/predict` answered for one instance, and the log's truth."""

    prediction_id: str
    timestamp: str
    model_version: str
    score: float
    label: int
    click: int


class ModelServerClient:
    """One kept-alive connection to a model server; StackError where it refuses or cannot be reached."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._url = url
        self._connection = http.client.HTTPConnection(
            parts.hostname or "127.0.0.1", parts.port or 80, timeout=TIMEOUT_SECONDS
        )

    def post(self, path: str, body: Any) -> Any:
        """Return the decoded answer to `body`, sent as JSON."""
        try:
            self._connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            answer = self._connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise StackError(
                f"{self._url}{path} does not answer ({error})", "look at the model server's log"
            ) from error
        if answer.status >= 300:
            said = content[:300].decode(errors="replace")
            raise StackError(f"{self._url}{path} answered {answer.status}: {said}", "look at the model server's log")
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

    def responses(self, pages: Iterable[Page]) -> Iterator[Response]:
        """Yield the answer to each impression, page by page; a click is sent when the log's time has reached it."""
        clicks: list[tuple[datetime, str]] = []
        for page in pages:
            while clicks and clicks[0][0] <= page[-1].timestamp:
                self._click(*heapq.heappop(clicks))
            responses = self._predict(page)
            for impression, response in zip(page, responses, strict=True):
                if impression.click:
                    heapq.heappush(clicks, (impression.timestamp + CLICK_DELAY, response.prediction_id))
            yield from responses
        for moment, prediction_id in sorted(clicks):
            self._click(moment, prediction_id)

    def _predict(self, page: Page) -> list[Response]:
        labels = {"scene": SCENE, "visitor": page[0].visitor}
        answer = self._client.post(
            "/predict", {"context": {"labels": labels}, "instances": [_instance(impression) for impression in page]}
        )
        return [
            Response(
                prediction_id=prediction["prediction_id"],
                timestamp=instants.text(impression.timestamp),
                model_version=answer["model"]["version"],
                score=prediction["score"],
                label=prediction["label"],
                click=impression.click,
            )
            for impression, prediction in zip(page, answer["predictions"], strict=True)
        ]

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


def _instance(impression: Impression) -> dict[str, Any]:
    return {
        "timestamp": instants.text(impression.timestamp),
        "text_a": impression.text_a,
        "text_b": impression.text_b,
        "item_id": str(impression.item_id),
        "position": impression.position,
        "propensity": impression.propensity,
        "features": impression.features,
    }
