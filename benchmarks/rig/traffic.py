"""Generated predictions and clicks, as the pipeline indexes them; the same numbers every time."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import orjson

from monitor_agent.contracts.feedback import FEEDBACK
from monitor_agent.contracts.prediction import PREDICTIONS

FIRST_DAY = datetime(2026, 3, 2, tzinfo=timezone.utc)
VERSIONS = ("1", "2", "3")
SCENES = ("search", "recommendation", "ad")
MODEL = "click"
THRESHOLD = 0.5
CLIP = 1e-7
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Action:
    """One document to be created."""

    index: str
    id: str
    source: bytes


@dataclass(frozen=True)
class Traffic:
    """Predictions spread evenly over a span of time, in order, and clicks on some of them.

    Attributes
    ----------
    predictions : number of predictions.
    clicks : number of them that are clicked, half a minute later; these score higher.
    seed : another seed gives other ids and scores.
    first : the start.
    span : length in time.
    """

    predictions: int
    clicks: int = 0
    seed: int = 1
    first: datetime = FIRST_DAY
    span: timedelta = timedelta(days=1)

    @property
    def end(self) -> datetime:
        """The moment after the last prediction."""
        return self.first + self.span

    def columns(self) -> dict[str, npt.NDArray[np.float64] | npt.NDArray[np.int64]]:
        """Return `score`, `label` (predicted), `click` and `time` (ms since 1970), arrays of shape (predictions,)."""
        dice = np.random.default_rng(self.seed)
        start, length = (self.first - _EPOCH) // _MILLISECOND, self.span // _MILLISECOND
        time = start + np.arange(self.predictions, dtype=np.int64) * length // self.predictions
        click = np.zeros(self.predictions, dtype=np.int64)
        click[dice.permutation(self.predictions)[: self.clicks]] = 1
        score = np.where(click == 1, dice.beta(4, 3, self.predictions), dice.beta(2, 5, self.predictions)).round(6)
        return {"time": time, "score": score, "label": (score >= THRESHOLD).astype(np.int64), "click": click}

    def actions(self) -> Iterator[Action]:
        """Yield predictions, then clicks."""
        columns = self.columns()
        ids = self._ids(columns["time"])
        dice = np.random.default_rng(self.seed + 1)
        version, scene = dice.integers(0, 3, self.predictions), dice.integers(0, 3, self.predictions)
        duration = (3e6 * dice.lognormal(0, 0.5, self.predictions)).astype(np.int64)
        rows = zip(
            ids,
            columns["time"].tolist(),
            columns["score"].tolist(),
            columns["label"].tolist(),
            version.tolist(),
            scene.tolist(),
            duration.tolist(),
            _losses(columns["score"]).tolist(),
            strict=True,
        )
        for identifier, time, score, label, v, s, took, losses in rows:
            yield _prediction(_Row(identifier, time, score, label, VERSIONS[v], SCENES[s], took, losses))
        for number in np.flatnonzero(columns["click"]).tolist():
            yield _click(ids[number], int(columns["time"][number]), VERSIONS[int(version[number])], self.seed)

    def _ids(self, time: npt.NDArray[np.int64] | npt.NDArray[np.float64]) -> list[str]:
        tails = np.random.default_rng(self.seed + 2).integers(0, 1 << 62, self.predictions).tolist()
        return [_uuid7(moment, tail) for moment, tail in zip(time.tolist(), tails, strict=True)]


def click_on(traffic: Traffic, number: int) -> Action:
    """Return the click on the prediction of that number."""
    time = traffic.columns()["time"]
    dice = np.random.default_rng(traffic.seed + 1)
    version = VERSIONS[int(dice.integers(0, 3, traffic.predictions)[number])]
    return _click(traffic._ids(time)[number], int(time[number]), version, traffic.seed)


def _uuid7(milliseconds: int, tail: int) -> str:
    return str(uuid.UUID(int=(milliseconds << 80) | (7 << 76) | (2 << 62) | tail))


def _iso(milliseconds: int) -> str:
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _losses(score: npt.NDArray[np.float64] | npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    clipped = np.clip(score, CLIP, 1 - CLIP)
    return np.stack([-np.log(clipped), -np.log1p(-clipped)], axis=1)


class _Row(NamedTuple):
    """The values of one prediction."""

    identifier: str
    time: int
    score: float
    label: int
    version: str
    scene: str
    duration: int
    losses: list[float]


def _prediction(row: _Row) -> Action:
    moment = _iso(row.time)
    source = {
        "@timestamp": moment,
        "event": {"id": row.identifier, "dataset": "model.prediction", "duration": row.duration},
        "model": {"name": MODEL, "version": row.version},
        "labels": {"scene": row.scene},
        "item": {"id": str(row.time % 80), "position": 1 + row.time % 3},
        "prediction": {
            "id": row.identifier,
            "score": row.score,
            "label": row.label,
            "threshold": THRESHOLD,
            "rank": 1,
            "log_loss_1": row.losses[0],
            "log_loss_0": row.losses[1],
            "queue_time": row.duration // 10,
            "compute_time": row.duration // 2,
        },
    }
    return Action(_index(PREDICTIONS.name, moment), row.identifier, orjson.dumps(source))


def _click(prediction: str, time: int, version: str, seed: int) -> Action:
    # A prediction has one click at most, so its random bits serve for the click's id too.
    identifier = _uuid7(time + 30_000, (uuid.UUID(prediction).int ^ seed) & ((1 << 62) - 1))
    source = {
        "@timestamp": _iso(time + 30_000),
        "event": {"id": identifier, "dataset": "model.feedback"},
        "prediction": {"id": prediction, "timestamp": _iso(time)},
        "feedback": {"type": "click", "label": 1, "status": "new"},
        "model": {"name": MODEL, "version": version},
    }
    return Action(_index(FEEDBACK.name, _iso(time)), identifier, orjson.dumps(source))


def _index(name: str, moment: str) -> str:
    return f"{name}-{moment[:10].replace('-', '.')}"
