"""A FastAPI service that scores the items of a page and takes their clicks: `uvicorn fastapi_service:app`.

It needs `fastapi`, `uvicorn` and the base installation of this project. SCORES_LOG_DIR is the folder of the event
files; start the pipeline with the same folder as MODEL_LOG_DIR.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, Header, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from monitor_agent.prediction_log import LogWriteError, PredictionLog, RecordError

WEIGHTS = {"price": -0.8, "affinity": 1.5}


class Item(BaseModel):
    """An item of a page, with its features."""

    id: str
    position: int
    price: float
    affinity: float = 0.0


class Page(BaseModel):
    """A page to score."""

    user: str
    session: str | None = None
    query: str | None = None
    items: list[Item]


class Click(BaseModel):
    """A click; `id` is a number of the page, so that a click that is sent twice counts once."""

    prediction_id: str
    id: str | None = None


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the log in each worker, and close it when the worker ends."""
    folder = os.environ.get("SCORES_LOG_DIR", "var/log/shop-scores")
    with PredictionLog(folder, model="shop", version="7", threshold=0.4, service_name="shop-scores") as log:
        app.state.log = log
        yield


app = FastAPI(lifespan=lifespan)


@app.exception_handler(RecordError)
async def refuse(_request: Request, error: RecordError) -> JSONResponse:
    """Answer a wrong field with its path."""
    return JSONResponse({"detail": str(error)}, 422)


@app.exception_handler(LogWriteError)
async def be_unavailable(_request: Request, error: LogWriteError) -> JSONResponse:
    """Answer nothing that is not logged; the next request tries again."""
    return JSONResponse({"detail": str(error)}, 503)


@app.post("/rank")
def rank(page: Page, traceparent: Annotated[str | None, Header()] = None) -> list[dict[str, Any]]:
    """Return the items with their scores and the ids of their predictions."""
    began = time.perf_counter_ns()
    answers = app.state.log.predictions(
        [
            {
                "score": score(item),
                "item_id": item.id,
                "position": item.position,
                "features": {"numeric": {"price": item.price, "affinity": item.affinity}},
            }
            for item in page.items
        ],
        user_id=page.user,
        session_id=page.session,
        query=page.query,
        labels={"scene": "search"},
        duration=time.perf_counter_ns() - began,
        trace=traceparent,
    )
    return [
        {"item": item.id, "prediction_id": answer.id, "rank": answer.rank, **answer.outcome}
        for item, answer in zip(page.items, answers, strict=True)
    ]


@app.post("/click", status_code=202)
def click(body: Click) -> dict[str, list[str]]:
    """Take a click on an item."""
    record = {"prediction_id": body.prediction_id, "type": "click", "event_id": body.id}
    return {"event_ids": app.state.log.feedback(record)}


def score(item: Item) -> float:
    """Return the probability of a click: here, a logistic model with two weights."""
    return 1 / (1 + math.exp(-(WEIGHTS["price"] * item.price + WEIGHTS["affinity"] * item.affinity)))
