"""The time zone of the pages that the viewer writes whole: a cookie holds the choice of the reader."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flask import g, request

from monitor_agent.dashboards import formats
from monitor_agent.dashboards.model_zones import ModelZone, model_zone
from monitor_agent.errors import DataError
from monitor_agent.es.gateway import Gateway
from monitor_agent.settings import AgentSettings

COOKIE = "zone"
ZONE_OF_MODELS = "model"
"""In the place of the name of a time zone: that of the chosen models."""
UTC = "UTC"


@dataclass(frozen=True)
class PageZone:
    """What the switch of a page knows.

    Attributes
    ----------
    choice : what the browser has named: a zone, `ZONE_OF_MODELS` or nothing.
    of_models : the zone of the models of the page; None = it was not asked for.
    """

    choice: str
    of_models: ModelZone | None = None


def zone_name(name: str) -> str:
    """Return the name of a time zone, or `ZONE_OF_MODELS`; UTC if it is empty.

    Raises
    ------
    DataError
        If there is no such time zone.
    """
    if name == ZONE_OF_MODELS:
        return name
    try:
        return ZoneInfo(name or UTC).key
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        raise DataError(f"there is no time zone {name[:60]!r}", "choose one such as Europe/Berlin") from error


def read_page_zone(gateway: Gateway, agent: AgentSettings, models: Iterable[str] = ()) -> None:
    """Let a page write its moments in the time zone that the reader has chosen, and show the switch.

    Parameters
    ----------
    agent : its zone counts where no settings of models are stored.
    models : the models of the page; none = all.
    """
    choice = request.cookies.get(COOKIE, "")
    try:
        name = zone_name(choice)
    except DataError:  # such as a zone that this machine does not know: the page says UTC
        name = UTC
    of_models = model_zone(gateway, agent, models) if name == ZONE_OF_MODELS else None
    formats.ZONE.set(of_models.name if of_models else name)
    g.zone = PageZone(choice or UTC, of_models)
