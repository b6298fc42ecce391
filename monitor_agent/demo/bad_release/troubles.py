"""The table of planted trouble: what, of which model and version, from which hour on, how long, how large (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

HOUR = timedelta(hours=1)

TroubleKind = Literal["swapped-features", "outage", "slow-answers", "lost-lines"]


@dataclass(frozen=True)
class Trouble:
    """One planted trouble.

    Attributes
    ----------
    kind : `swapped-features`: the version reads two features in the wrong order; `outage`: no service answers, so
        there is no event; `slow-answers`: each answer takes `size` times as long; `lost-lines`: `size` lines of the
        model's service never arrive, in one piece.
    first_hour : hours from the start of the world.
    hours : length; the last hour is `first_hour + hours - 1`.
    size : as `kind` says; 0 = the kind has no size.
    alert : the alert of `kibana/alerts.toml` that must fire for it.
    model, version : whose trouble it is; "" = all.
    """

    kind: TroubleKind
    first_hour: int
    hours: int
    alert: str
    size: float = 0.0
    model: str = ""
    version: str = ""

    def covers(self, hour: int) -> bool:
        """Return whether the trouble is there in an hour of the world."""
        return self.first_hour <= hour < self.first_hour + self.hours

    def start(self, world_start: datetime) -> datetime:
        """Return when it begins."""
        return world_start + self.first_hour * HOUR

    def end(self, world_start: datetime) -> datetime:
        """Return when it ends."""
        return self.start(world_start) + self.hours * HOUR


def troubles_at(
    troubles: Sequence[Trouble], kind: TroubleKind, hour: int, model: str = "", version: str = ""
) -> list[Trouble]:
    """Return the trouble of a kind that a model and a version have in an hour."""
    return [
        trouble
        for trouble in troubles
        if trouble.kind == kind
        and trouble.covers(hour)
        and trouble.model in ("", model)
        and trouble.version in ("", version)
    ]
