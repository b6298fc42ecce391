"""Which channel is told of which firing, and when (pure)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from monitor_agent.alerting.firings import Firing
from monitor_agent.notifying.silences import Quiet, matches
from monitor_agent.settings import RouteTable
from monitor_agent.settings.notify_settings import hours_of


@dataclass(frozen=True)
class ChannelRules:
    """What a channel is told.

    Attributes
    ----------
    routes : the routes that name the channel; empty = it is told everything.
    quiet : the silences and acknowledgements.
    throttles : by alert: a firing that stays active is sent again after this time.
    group_wait : how long a message waits for further firings of its model.
    one_by_one : whether each firing has a message of its own.
    """

    routes: tuple[RouteTable, ...] = ()
    quiet: Quiet = field(default_factory=Quiet)
    throttles: Mapping[str, timedelta] = field(default_factory=dict)
    group_wait: timedelta = timedelta()
    one_by_one: bool = False

    def takes(self, firing: Firing) -> bool:
        """Return whether a route lets a firing through, whatever the hour is."""
        return not self.routes or any(lets_through(route, firing) for route in self.routes)

    def holds(self, firing: Firing, moment: datetime) -> bool:
        """Return whether a firing is silenced at a moment, or no route is open then."""
        if self.quiet.silence_of(firing, moment) is not None:
            return True
        matching = [route for route in self.routes if lets_through(route, firing)]
        return bool(matching) and not any(is_open(route, moment) for route in matching)


def routes_of(names: Collection[str], routes: Sequence[RouteTable]) -> tuple[RouteTable, ...]:
    """Return the routes of a channel with these names; none if it gets everything by one of them."""
    if not all(any(name in route.channels for route in routes) for name in names):
        return ()
    return tuple(route for route in routes if set(names).intersection(route.channels))


def lets_through(route: RouteTable, firing: Firing) -> bool:
    """Return whether a route lets a firing through; one about all models has none, and goes through."""
    model = dict(firing.group).get("model_name")
    if route.severities and firing.severity not in route.severities:
        return False
    return not route.models or model is None or any(matches(pattern, model) for pattern in route.models)


def summarised_models(rules: ChannelRules, models: Iterable[str]) -> list[str] | None:
    """Return the models of a channel's summaries: those that a route lets through; None = all."""
    if not rules.routes or any(not route.models for route in rules.routes):
        return None
    patterns = [pattern for route in rules.routes for pattern in route.models]
    return [model for model in models if any(matches(pattern, model) for pattern in patterns)]


def is_open(route: RouteTable, moment: datetime) -> bool:
    """Return whether a moment is in a route's hours; hours may pass midnight.

    >>> from datetime import timezone
    >>> night = RouteTable(hours="22:00-06:00", time_zone="Europe/Berlin")
    >>> [is_open(night, datetime(2026, 7, 1, hour, tzinfo=timezone.utc)) for hour in (19, 20, 3, 4)]
    [False, True, True, False]
    """
    hours = hours_of(route.hours)
    if hours is None:
        return True
    start, end = hours
    now = moment.astimezone(ZoneInfo(route.time_zone)).time()
    return start <= now < end if start < end else now >= start or now < end
