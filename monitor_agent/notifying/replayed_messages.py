"""Which messages a channel would have got about firings of the past (pure): the outbox decides, as in the agent."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from monitor_agent.alerting.firings import Firing
from monitor_agent.contracts.alert import STATE_ACTIVE
from monitor_agent.notifying.outbox import Outbox, next_batch
from monitor_agent.notifying.routes import ChannelRules
from monitor_agent.pipeline.instants import DAY, HOUR, Interval


@dataclass(frozen=True)
class ReplayedMessage:
    """A message that a channel would have got.

    Attributes
    ----------
    kind : `active`, `recovered` or `reminder`.
    firings : the ids of the firings in it.
    """

    sent: datetime
    kind: str
    firings: tuple[str, ...]


def replayed_messages(firings: Sequence[Firing], rules: ChannelRules, interval: Interval) -> list[ReplayedMessage]:
    """Return the messages to one channel, in order.

    Parameters
    ----------
    firings : those that became active in the interval, as they were at its end.
    """
    outbox, messages = Outbox(interval.start), []
    for moment in sorted({moment for firing in firings for moment in _moments(firing, rules, interval)}):
        as_of_moment = [_at(firing, moment) for firing in firings if _is_news(firing, moment)]
        while (batch := next_batch(outbox, as_of_moment, rules, moment)) is not None:
            messages.append(ReplayedMessage(moment, batch.kind, batch.firings))
            outbox = outbox.delivered(batch, moment)
    return messages


def _moments(firing: Firing, rules: ChannelRules, interval: Interval) -> Iterator[datetime]:
    """Yield when something about a firing may be due."""
    began = firing.active_since or firing.start
    end = firing.end or interval.end
    yield min(began + rules.group_wait, interval.end)
    if firing.end is not None:
        yield firing.end
    step = rules.throttles.get(firing.rule)
    if any(route.hours for route in rules.routes):
        step = min(HOUR, step or HOUR)  # a route may open at any hour
    moment = began
    while step and (moment := moment + step) < end:
        yield moment


def _is_news(firing: Firing, moment: datetime) -> bool:
    began = firing.active_since or firing.start
    return began <= moment and (firing.end is None or moment - firing.end < DAY)


def _at(firing: Firing, moment: datetime) -> Firing:
    """Return a firing as it was at a moment."""
    if firing.end is None or firing.end <= moment:
        return firing
    return dataclasses.replace(firing, state=STATE_ACTIVE, end=None)
