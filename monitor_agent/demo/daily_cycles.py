"""The agent of a demo: after each day of the log it runs one cycle, by the log's own time."""

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


class DailyCycles:
    """One cycle of the agent after another, each when a day is final."""

    def __init__(self, gateway: Gateway, settings: AgentSettings) -> None:
        self._gateway = gateway
        self._settings = settings
        self._health = Health(settings.period, lambda: "")

    def run(self, last: datetime) -> None:
        """Run a cycle once the day of the last impression is final: it joins, computes, and writes about itself."""
        clock = FixedClock(final_at(last, self._settings))
        agent = Agent(self._gateway, self._settings, clock)
        Service(self._gateway, self._settings, clock, self._health, agent).cycle()

    def learn_reference(self, moment: datetime) -> None:
        """Make the day of `moment` the reference that later days are compared with for drift."""
        stores = Stores(self._gateway, self._settings, FixedClock(final_at(moment, self._settings)))
        day = stores.calendar.window(stores.calendar.names[-1], moment)
        for name in sorted({name for name, _ in stores.events.window_counts(day.start).predictions}):
            stores.references.add(name, stores.references.learn(name, day, day.end), stores.clock.now())


def final_at(last: datetime, settings: AgentSettings) -> datetime:
    """Return the moment at which every window up to the one of `last` is final."""
    calendar = Calendar(settings)
    return calendar.final_at(calendar.window(calendar.names[-1], last))
