"""The list of alerts: firings of `model-alerts`, filtered and paged by Elasticsearch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from monitor_agent.alerting.alert_store import readable_firing
from monitor_agent.alerting.definitions import Alert, load_alerts
from monitor_agent.alerting.firings import Firing
from monitor_agent.alerting.look_back import fitted
from monitor_agent.contracts.alert import ALERTS, CRITICAL, STATE_ACTIVE, STATE_PENDING, STATE_RECOVERED
from monitor_agent.contracts.performance import segment_name
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.model_settings_store import read_rules
from monitor_agent.notifying.firing_facts import read_facts
from monitor_agent.notifying.messages import FiringFacts
from monitor_agent.notifying.silence_store import SilenceStore
from monitor_agent.notifying.silences import Acknowledgement, Silence
from monitor_agent.settings import AgentSettings

PAGE_ROWS = 25
MOST_PAGES = 400
"""Elasticsearch pages over 10,000 hits."""
MOST_NAMES = 200
MOST_CHARACTERS = 300
STATES = (STATE_ACTIVE, STATE_PENDING, STATE_RECOVERED)


@dataclass(frozen=True)
class AlertFilter:
    """Which firings are listed; an empty value lets all through.

    Attributes
    ----------
    state : one of `STATES`; empty = all but those that recovered before they were active.
    page : from 1 on.
    """

    state: str = ""
    model: str = ""
    alert: str = ""
    page: int = 1

    @classmethod
    def of(cls, arguments: Mapping[str, str]) -> AlertFilter:
        """Return the filter of a request's arguments."""
        state, model, alert = (arguments.get(name, "")[:MOST_CHARACTERS] for name in ("state", "model", "alert"))
        page = arguments.get("page", "1")
        number = int(page) if page.isascii() and page.isdigit() and len(page) <= 5 else 1
        return cls(state if state in STATES else "", model, alert, min(MOST_PAGES, max(1, number)))

    def address(self, page: int) -> str:
        """Return the query of the address of another page."""
        values = {"state": self.state, "model": self.model, "alert": self.alert, "page": str(page)}
        return urlencode({name: value for name, value in values.items() if value})

    def query(self) -> dict[str, Any]:
        """Return the query for the firings."""
        fields = {"state": self.state, "model_name": self.model, "rule.name": self.alert}
        filters: list[dict[str, Any]] = [{"term": {name: value}} for name, value in fields.items() if value]
        short = {"bool": {"filter": [{"term": {"state": STATE_RECOVERED}}], "must_not": [_WAS_ACTIVE]}}
        return {"bool": {"filter": filters, "must_not": [short]}}


_WAS_ACTIVE = {"exists": {"field": "active_since"}}


@dataclass(frozen=True)
class AlertRow:
    """A firing of the list.

    Attributes
    ----------
    facts : the numbers of the document with the worst value.
    silence : nobody is told of it until its end; None = people are.
    acknowledged : who knows of it, and since when; None = nobody has said so.
    """

    firing: Firing
    facts: FiringFacts
    silence: Silence | None
    acknowledged: Acknowledgement | None

    @property
    def segment(self) -> str:
        """The segment that has the worst value; empty if the firing is about none."""
        return segment_name(self.firing.segment or self.facts.segment)


@dataclass(frozen=True)
class AlertList:
    """One page of the list.

    Attributes
    ----------
    total : how many firings pass the filter.
    models, alerts : the names that firings have.
    """

    chosen: AlertFilter
    now: datetime
    rows: Sequence[AlertRow]
    total: int
    models: Sequence[str]
    alerts: Sequence[str]

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return min(MOST_PAGES, max(1, -(-self.total // PAGE_ROWS)))


def alerts_of(gateway: Gateway, agent: AgentSettings, firings: Sequence[Firing]) -> dict[str, Alert]:
    """Return the alerts by their ids, as an agent evaluates them for the models of some firings.

    Parameters
    ----------
    agent : the settings that name the list of alerts, and those of models where the cluster holds none.
    """
    rules = read_rules(gateway, agent, *sorted({firing.model for firing in firings}))
    return {alert.id: alert for alert in fitted(load_alerts(agent.alerts), *rules.scopes)}


def read_alert_list(gateway: Gateway, chosen: AlertFilter, agent: AgentSettings, now: datetime) -> AlertList:
    """Return one page of the list; a page after the last one is the last one.

    Parameters
    ----------
    agent : see `alerts_of`.
    """
    names = {name: {"terms": {"field": name, "size": MOST_NAMES}} for name in ("model_name", "rule.name")}
    listed, aggregated = gateway.msearch(
        [(ALERTS.alias, _page_of(chosen)), (ALERTS.alias, {"size": 0, "track_total_hits": False, "aggs": names})]
    )
    total = listed["hits"]["total"]["value"]
    last = min(MOST_PAGES, max(1, -(-total // PAGE_ROWS)))
    if chosen.page > last:
        chosen = replace(chosen, page=last)
        listed = gateway.search(ALERTS.alias, _page_of(chosen))
    stored = (readable_firing(hit["_source"]) for hit in listed["hits"]["hits"])
    firings = [firing for firing in stored if firing is not None]
    facts, quiet = read_facts(gateway, firings, alerts_of(gateway, agent, firings)), SilenceStore(gateway).read(now)
    firings.sort(key=lambda firing: (STATES.index(firing.state), firing.open and firing.severity != CRITICAL))
    rows = [
        AlertRow(
            firing,
            facts.get(firing.id, FiringFacts()),
            quiet.silence_of(firing, now) if firing.open else None,
            quiet.acknowledged.get(firing.id),
        )
        for firing in firings
    ]
    return AlertList(chosen, now, rows, total, _keys(aggregated, "model_name"), _keys(aggregated, "rule.name"))


def _page_of(chosen: AlertFilter) -> dict[str, Any]:
    # The names of the states happen to be in the order of urgency.
    order = [{"state": "asc"}, {"event.start": "desc"}, {"rule.name": "asc"}]
    return {
        "query": chosen.query(),
        "from": (chosen.page - 1) * PAGE_ROWS,
        "size": PAGE_ROWS,
        "sort": order,
        "track_total_hits": True,
    }


def _keys(answer: Mapping[str, Any], name: str) -> list[str]:
    buckets = answer.get("aggregations", {}).get(name, {}).get("buckets", [])
    return sorted(bucket["key"] for bucket in buckets)
