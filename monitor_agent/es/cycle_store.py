"""Documents about the agent's cycles, and the flow of events that they report."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from monitor_agent.contracts.cycle import CYCLES
from monitor_agent.contracts.feedback import FEEDBACK
from monitor_agent.es.feedback_store import new_filter
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.line_check import EVENTS
from monitor_agent.es.operations import Operation
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.documents import hashed_id
from monitor_agent.pipeline.instants import DAY

NEWEST = 100
_TIMES = ("event.ingested", "event.created")


@dataclass(frozen=True)
class EventFlow:
    """How events flow; names, units and meanings are those of the cycles' contract."""

    backlog: int
    lag_seconds: float
    delivery_seconds: float | None
    silent_seconds: float | None

    def figures(self) -> dict[str, float]:
        """Return the figures that could be measured."""
        return {name: float(value) for name, value in asdict(self).items() if value is not None}


class CycleStore:
    """Measures the flow of events and writes one document per cycle."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def flow(self, now: datetime) -> EventFlow:
        """Return how events flow, by one request."""
        recent = instants.range_filter("event.ingested", gte=now - DAY, lte=now + DAY)
        newest = {
            "size": NEWEST,
            "track_total_hits": False,
            "query": {"bool": {"filter": [recent]}},
            "sort": [{"event.ingested": {"order": "desc", "unmapped_type": "date"}}],
            # As the index has them: a source may have them in any form.
            "_source": False,
            "docvalue_fields": [{"field": name, "format": "epoch_millis"} for name in _TIMES],
        }
        new = {
            "size": 0,
            "track_total_hits": True,
            "query": new_filter(),
            "aggs": {
                "ingested": {
                    "filter": instants.in_calendar("event.ingested"),
                    "aggs": {"oldest": {"min": {"field": "event.ingested"}}},
                }
            },
        }
        events, waiting = self._gateway.msearch([(EVENTS, newest), (FEEDBACK.alias, new)])
        newest_events = [[hit["fields"].get(name) for name in _TIMES] for hit in events["hits"]["hits"]]
        ingested = [float(times[-1]) for times, _ in newest_events]
        delays = [(float(times[-1]) - float(created[0])) / 1000 for times, created in newest_events if created]
        oldest = waiting.get("aggregations", {}).get("ingested", {}).get("oldest", {}).get("value")
        # Clocks of different machines may differ a little: no age is negative.
        return EventFlow(
            backlog=waiting["hits"]["total"]["value"],
            lag_seconds=0.0 if oldest is None else max(0.0, (now - instants.parse(oldest)).total_seconds()),
            delivery_seconds=max(0.0, statistics.median(delays)) if delays else None,
            silent_seconds=max(0.0, instants.milliseconds(now) - max(ingested)) / 1000 if ingested else None,
        )

    def write(self, began: datetime, agent: str, document: Mapping[str, Any]) -> None:
        """Write the document of a cycle."""
        body = {"@timestamp": instants.text(began), "agent": agent, **document}
        self._gateway.bulk([Operation("index", CYCLES.index_for(began), hashed_id(agent, instants.text(began)), body)])
