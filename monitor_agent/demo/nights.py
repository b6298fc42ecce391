"""The agent of a demo: it works in the night after each day of the log, by the log's own time."""

from __future__ import annotations

from datetime import datetime

from monitor_agent.agent.cycle import Agent
from monitor_agent.agent.health import Health
from monitor_agent.agent.service import Service
from monitor_agent.agent.stores import Stores
from monitor_agent.clock import FixedClock
from monitor_agent.es.gateway import Gateway
from monitor_agent.pipeline.windows import Calendar
from monitor_agent.settings import AgentSettings


class Nights:
    """One night after another."""

    def __init__(self, gateway: Gateway, settings: AgentSettings) -> None:
        self._gateway = gateway
        self._settings = settings
        self._health = Health(settings.period, lambda: "")

    def work(self, last: datetime) -> None:
        """Run a cycle once the day of the last impression is final: joins, computes, and writes about itself."""
        clock = FixedClock(end_of(last, self._settings))
        agent = Agent(self._gateway, self._settings, clock)
        Service(self._gateway, self._settings, clock, self._health, agent).cycle()

    def learn(self, moment: datetime) -> None:
        """Make the day of `moment` the reference that the drift of later ones is told against."""
        stores = Stores(self._gateway, self._settings, FixedClock(end_of(moment, self._settings)))
        day = stores.calendar.window(stores.calendar.names[-1], moment)
        for name in sorted({name for name, _ in stores.events.window_counts(day.start).predictions}):
            stores.references.add(name, stores.references.learn(name, day.start, day.end, day.end), stores.clock.now())


def end_of(last: datetime, settings: AgentSettings) -> datetime:
    """Return the moment at which every window up to the one of `last` is final."""
    calendar = Calendar(settings)
    return calendar.final_at(calendar.window(calendar.names[-1], last))
