"""The page that explains a fall: its form, and the rows of its tables in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from monitor_agent.dashboards.start_page import percent
from monitor_agent.errors import DataError
from monitor_agent.es.drop_explanation import explain_drop
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.model_settings_store import read_rules
from monitor_agent.kibana.times import time_range
from monitor_agent.pipeline.instants import Interval
from monitor_agent.root_causes.causes import ComparedValue
from monitor_agent.root_causes.drop import ExplainedDrop
from monitor_agent.root_causes.searches import DropQuestion, in_words
from monitor_agent.root_causes.value_sums import METRICS, ValueSums
from monitor_agent.settings import AgentSettings

MOST_ROWS = 12
MOST_CHARACTERS = 300


@dataclass(frozen=True)
class DropForm:
    """What the person has filled in; see `DropQuestion`."""

    model: str
    version: str
    start: str
    end: str
    against: str
    metric: str
    age: str

    @classmethod
    def of(cls, arguments: Mapping[str, str]) -> DropForm:
        """Return the form of a request's arguments."""
        names = {"model": "", "version": "", "from": "now-24h", "to": "now", "against": "", "metric": "", "age": ""}
        values = [(arguments.get(name) or default).strip()[:MOST_CHARACTERS] for name, default in names.items()]
        return cls(*values)


@dataclass(frozen=True)
class DropPage:
    """The page.

    Attributes
    ----------
    drop : None = nothing was asked, or it cannot be answered.
    problem : why it cannot be answered; empty = it can.
    """

    form: DropForm
    drop: ExplainedDrop | None
    problem: str

    @property
    def metrics(self) -> list[str]:
        """The metrics whose fall can be explained."""
        return METRICS

    @property
    def sides(self) -> list[tuple[str, str, str]]:
        """Both sides: name, value, number of predictions."""
        if self.drop is None:
            return []
        comparison, whole = self.drop.comparison, self.drop.whole
        return [
            (in_words(comparison.after), self.value(whole.after), f"{whole.after.trials:,}"),
            (in_words(comparison.before), self.value(whole.before), f"{whole.before.trials:,}"),
        ]

    def value(self, sums: ValueSums) -> str:
        """Return the metric of one side for people."""
        measure = self.drop.measure if self.drop else None
        value = measure.value(sums) if measure else None
        return percent(value) if value is None or (measure and measure.is_share) else f"{value:.4g}"

    @property
    def difference(self) -> str:
        """The change with its interval; empty if it has none."""
        return self.drop.change_in_words() if self.drop else ""

    @property
    def rows(self) -> list[ComparedValue]:
        """The causes, then the values that got worst against the rest."""
        return self.drop.worst(MOST_ROWS) if self.drop else []


def explained(gateway: Gateway, form: DropForm, agent: AgentSettings, now: datetime) -> ExplainedDrop:
    """Return the explanation that a form asks for.

    Raises
    ------
    DataError
        If it cannot be answered.
    SettingsError
        If the form contradicts itself.
    """
    if form.metric and form.metric not in METRICS:
        raise DataError(f"{form.metric} is no metric that can be split", f"use one of {', '.join(METRICS)}")
    chosen = time_range(form.start, form.end, now)
    interval = Interval(chosen.start, chosen.end)
    question = DropQuestion(form.model, form.version, interval, form.against, form.metric, form.age)
    return explain_drop(gateway, question, read_rules(gateway, agent, form.model), now)
