"""The page of a firing: what is wrong, since when, how sure it is, what is behind it, and what was done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from shlex import quote
from typing import Any
from urllib.parse import urlencode

from monitor_agent.alerting.alert_store import readable_firing
from monitor_agent.alerting.definitions import Alert
from monitor_agent.alerting.firing_history import (
    BehindDocument,
    ValueHistory,
    documents_behind,
    documents_search,
    value_history,
    values_search,
)
from monitor_agent.alerting.firings import Firing
from monitor_agent.alerting.look_back import is_about
from monitor_agent.contracts.agent_state import AGENT_STATE
from monitor_agent.contracts.alert import ALERTS
from monitor_agent.contracts.model_names import ALL_VERSIONS
from monitor_agent.contracts.performance import ALL_SEGMENT, PERFORMANCE, segment_name
from monitor_agent.dashboards import alert_words as words
from monitor_agent.dashboards.alert_list import alerts_of
from monitor_agent.dashboards.firing_chart import FiringChart
from monitor_agent.dashboards.formats import NOTHING, local_moment, reader_zone
from monitor_agent.errors import DataError
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.rights import unreadable
from monitor_agent.notifying.firing_facts import read_facts
from monitor_agent.notifying.likely_causes import CAUSES, CauseAnalysis, analyses_in, drop_question
from monitor_agent.notifying.messages import FiringFacts, dashboard_query
from monitor_agent.notifying.notifier import OUTBOX
from monitor_agent.notifying.outbox import Outbox
from monitor_agent.notifying.silence_store import SilenceStore
from monitor_agent.notifying.silences import Acknowledgement, Quiet, Silence
from monitor_agent.pipeline import instants
from monitor_agent.settings import AgentSettings

MOST_INHIBITING, MOST_CHANNELS = 20, 100
WINDOW_SIZE = "1h"
NARROW_WIDTH, NARROW_HEIGHT = 350.0, 240.0
_MESSAGES = {
    "active": "told that it is active",
    "reminded": "reminded of it",
    "recovered": "told that it has recovered",
}


@dataclass(frozen=True)
class HistoryEntry:
    """Something that happened to a firing."""

    at: datetime
    text: str


@dataclass(frozen=True)
class FiringPage:
    """The page.

    Attributes
    ----------
    alert : None = the alert is in no list any more.
    values : its value over time; None = it compares none.
    documents : the newest documents that met its condition.
    window : id of the newest hour of its model, version and segment; empty = there is none.
    inhibiting : the firings that inhibit it.
    quiet : silences and acknowledgements.
    outboxes : what each channel has got, by its name; None = the user may not read it.
    analysis : what the fall comes from, as the agent has found when it became active.
    """

    now: datetime
    firing: Firing
    alert: Alert | None
    facts: FiringFacts
    values: ValueHistory | None = None
    documents: Sequence[BehindDocument] = ()
    window: str = ""
    inhibiting: Sequence[Firing] = ()
    quiet: Quiet = field(default_factory=Quiet)
    outboxes: Mapping[str, Outbox] | None = None
    analysis: CauseAnalysis = CauseAnalysis()

    @property
    def charts(self) -> list[str]:
        """The value over time as elements of the page: for wide and for narrow windows."""
        if self.values is None or not self.values.points:
            return []
        until = self.firing.end or self.now
        unit = words.unit_of(self.alert, self.values.measure)
        chart = FiringChart(self.values, self.firing, lambda value: words.number(value, unit), until)
        narrow = FiringChart(
            self.values, self.firing, chart.value_text, until, width=NARROW_WIDTH, height=NARROW_HEIGHT
        )
        return [chart.inline("timeline wide"), narrow.inline("timeline narrow")]

    @property
    def measures(self) -> list[str]:
        """The fields that the condition compares and that a document has, the field of the firing first."""
        fields = [*(self.alert.values or self.alert.limits())] if self.alert else []
        names = [name for name in fields if any(row.source.get(name) is not None for row in self.documents)]
        return sorted(names, key=lambda name: name != self.firing.measure)

    def cells(self, document: BehindDocument) -> list[str]:
        """Return the numbers of a document that the condition compares."""
        texts = []
        for name in self.measures:
            value = document.source.get(name)
            unit = words.unit_of(self.alert, name)
            texts.append(words.number(float(value), unit) if isinstance(value, (int, float)) else NOTHING)
        return texts

    def document_time(self, document: BehindDocument) -> str:
        """Return the window of a document, or its moment."""
        source = document.source
        start, end = (source.get(name) for name in ("window_start", "window_end"))
        if start and end:
            first, last = (instants.parse(text).astimezone(reader_zone()) for text in (start, end))
            form = "%H:%M" if first.date() == last.date() else "%Y-%m-%d %H:%M"
            return f"{first:%Y-%m-%d %H:%M} to {local_moment(last, form)}"
        return words.moment(instants.parse(source["@timestamp"]))

    @property
    def are_windows(self) -> bool:
        """Whether the documents behind it are those of windows, which `explain-window` explains."""
        return self.alert is not None and is_about(self.alert, PERFORMANCE.pattern)

    @property
    def kind(self) -> str:
        """The name of the indices of the documents behind it; empty if they are none of the product's."""
        contract = words.contract_of(self.alert)
        return contract.alias if contract else ""

    @property
    def segment(self) -> str:
        """The segment that has the worst value; empty if the firing is about none."""
        return segment_name(self.firing.segment or self.facts.segment)

    @property
    def silence(self) -> Silence | None:
        """The silence that covers it now."""
        return self.quiet.silence_of(self.firing, self.now) if self.firing.open else None

    @property
    def acknowledged(self) -> Acknowledgement | None:
        """Who knows of it, and since when; None = nobody has said so."""
        return self.quiet.acknowledged.get(self.firing.id)

    @property
    def place(self) -> str:
        """The query of the dashboard's address: its time, model, version and segment."""
        return dashboard_query(self.firing)

    @property
    def why(self) -> str:
        """The query of the page that explains the fall; empty if it is about none."""
        question = drop_question(self.firing, self.facts, self.now)
        if question is None:
            return ""
        return urlencode({**question.arguments(), **({} if self.firing.end else {"to": "now"})})

    @property
    def condition(self) -> str:
        """The condition of the alert, in KQL."""
        return self.alert.where if self.alert else ""

    @property
    def commands(self) -> list[tuple[str, str]]:
        """The commands that silence and acknowledge it: what for, and the command."""
        named = "".join(
            f" --model {quote(value)}" if name == "model_name" else f" --label {name}={quote(value)}"
            for name, value in self.firing.group
        )
        silence = f"monitor-agent alerts silence --alert {self.firing.rule}{named} --until now+4h --reason '...'"
        return [("Silence it", silence), ("Acknowledge it", f"monitor-agent alerts ack {self.firing.id[:12]}")]

    @property
    def history(self) -> list[HistoryEntry]:
        """What happened to it, in the order of time."""
        firing = self.firing
        entries = [HistoryEntry(firing.start, "The condition was met for the first time: pending")]
        entries += [HistoryEntry(firing.active_since, "Active")] if firing.active_since else []
        entries += [HistoryEntry(firing.end, "Recovered")] if firing.end else []
        for name, outbox in (self.outboxes or {}).items():
            receipt = outbox.receipts.get(firing.id)
            for kind, text in _MESSAGES.items():
                at = getattr(receipt, kind) if receipt else None
                entries += [HistoryEntry(at, f"Channel {name} was {text}")] if at else []
        for silence in self.quiet.silences:
            start = max(silence.start, firing.start)
            if silence.covers(firing, start) and (firing.end is None or start <= firing.end):
                until = f"until {words.moment(silence.end)}"
                entries.append(HistoryEntry(start, f"Silenced {until} by {silence.author}: {silence.reason}"))
        if self.acknowledged:
            entries.append(HistoryEntry(self.acknowledged.at, f"Acknowledged by {self.acknowledged.author}"))
        return sorted(entries, key=lambda entry: entry.at)

    @property
    def waiting(self) -> list[str]:
        """The channels that have not been told that it is active, with the reason why."""
        waits = []
        for name, outbox in (self.outboxes or {}).items():
            receipt = outbox.receipts.get(self.firing.id)
            if self.firing.open and self.firing.active_since and (receipt is None or receipt.active is None):
                waits.append(f"{name} (fails: {outbox.reason})" if outbox.failures else name)
        return waits


def read_firing(gateway: Gateway, identifier: str) -> Firing:
    """Return a firing by its id.

    Raises
    ------
    DataError
        If there is none.
    """
    hits = gateway.search(ALERTS.alias, {"query": {"ids": {"values": [identifier]}}, "size": 1})["hits"]["hits"]
    firing = readable_firing(hits[0]["_source"]) if hits else None
    if firing is None:
        raise DataError(f"there is no firing {identifier[:80]}", "see the list of alerts")
    return firing


def read_firing_page(gateway: Gateway, identifier: str, agent: AgentSettings, now: datetime) -> FiringPage:
    """Return the page of a firing.

    Parameters
    ----------
    agent : see `alerts_of`.

    Raises
    ------
    DataError
        If there is none.
    """
    firing = read_firing(gateway, identifier)
    alerts = alerts_of(gateway, agent, [firing])
    alert = alerts.get(firing.rule)
    searches: dict[str, tuple[str, dict[str, Any]]] = {"inhibiting": _inhibiting_search(firing)}
    if alert is not None:
        searches["documents"] = documents_search(alert, firing)
        if firing.measure:
            searches["values"] = values_search(alert, firing, now)
    if firing.model:
        searches["window"] = _window_search(firing)
    answers = dict(zip(searches, gateway.msearch(list(searches.values())), strict=True))
    states = _agents_state(gateway)
    windows = answers.get("window", {}).get("hits", {}).get("hits", [])
    return FiringPage(
        now,
        firing,
        alert,
        read_facts(gateway, [firing], alerts).get(firing.id, FiringFacts()),
        value_history(alert, firing, answers["values"], now) if alert and "values" in answers else None,
        documents_behind(answers.get("documents", {})),
        windows[0]["_id"] if windows else "",
        _inhibiting(firing, answers["inhibiting"]),
        SilenceStore(gateway).read(firing.start),
        None if states is None else _outboxes(states, now),
        _analysis(states or (), firing),
    )


def _inhibiting_search(firing: Firing) -> tuple[str, dict[str, Any]]:
    named = {"terms": {"rule.name": list(firing.inhibited_by)}}
    order = [{"event.start": "desc"}]
    return ALERTS.alias, {"size": MOST_INHIBITING if firing.inhibited_by else 0, "query": named, "sort": order}


def _inhibiting(firing: Firing, answer: Mapping[str, Any]) -> list[Firing]:
    """Return the newest firing of each alert that inhibits a firing: of its model, or of all models."""
    group = dict(firing.group)
    newest: dict[str, Firing] = {}
    for hit in answer["hits"]["hits"]:
        other = readable_firing(hit["_source"])
        if other and all(group.get(name, value) == value for name, value in other.group):
            newest.setdefault(other.rule, other)
    return list(newest.values())


def _window_search(firing: Firing) -> tuple[str, dict[str, Any]]:
    """Return the search for the newest hour of what a firing is about that begins before its end."""
    version = firing.version or ALL_VERSIONS
    terms = {
        "model_name": firing.model,
        "model_version": version,
        "segment": firing.segment or ALL_SEGMENT,
        "window_size": WINDOW_SIZE,
    }
    filters: list[dict[str, Any]] = [{"term": {name: value}} for name, value in terms.items()]
    if firing.end is not None:
        filters.append(instants.range_filter("@timestamp", lte=firing.end))
    body = {"size": 1, "query": {"bool": {"filter": filters}}, "sort": [{"@timestamp": "desc"}], "_source": False}
    return PERFORMANCE.alias, body


def _agents_state(gateway: Gateway) -> list[Mapping[str, Any]] | None:
    """Return the outboxes, and the causes of falls, as the agents store them; None if the user may not read them."""
    body = {"size": MOST_CHANNELS, "query": {"terms": {"kind": [OUTBOX, CAUSES]}}}
    hits: list[Mapping[str, Any]] = gateway.search(AGENT_STATE.name, body)["hits"]["hits"]
    if not hits and unreadable(gateway, [AGENT_STATE]):  # the search leaves out what the user may not read
        return None
    return hits


def _outboxes(hits: Sequence[Mapping[str, Any]], now: datetime) -> dict[str, Outbox]:
    return {
        hit["_id"].partition(":")[2]: Outbox.from_content(hit["_source"].get("content") or {}, now)
        for hit in hits
        if hit["_source"].get("kind") == OUTBOX
    }


def _analysis(hits: Sequence[Mapping[str, Any]], firing: Firing) -> CauseAnalysis:
    contents = [hit["_source"].get("content") or {} for hit in hits if hit["_id"] == CAUSES]
    return analyses_in(contents[0]).get(firing.id, CauseAnalysis()) if contents else CauseAnalysis()
