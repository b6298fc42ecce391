"""A metrics document with all that explains it: its former contents, and the events that were not counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitor_agent.errors import DataError
from monitor_agent.es.history import History
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.explanation import ExplanationSection, explain
from monitor_agent.pipeline.instants import Interval
from monitor_agent.pipeline.model_scopes import SettingsByModel
from monitor_agent.pipeline.windows import Calendar
from monitor_agent.settings import AgentSettings


@dataclass(frozen=True)
class WindowRecord:
    """What is stored about a metrics document.

    Attributes
    ----------
    restatements : its former contents, the oldest first.
    not_counted : reason -> number of stored events in its window that do not count.
    settings : those that decided its numbers.
    """

    id: str
    document: Mapping[str, Any]
    restatements: Sequence[Mapping[str, Any]]
    not_counted: Mapping[str, int]
    settings: AgentSettings

    def sections(self) -> list[ExplanationSection]:
        """Return the explanation."""
        calendar = Calendar(self.settings)
        return explain(self.id, self.document, self.restatements, self.not_counted, calendar, self.settings)


def read_window(history: History, rules: SettingsByModel, identifier: str) -> WindowRecord:
    """Return what is stored about a metrics document.

    Raises
    ------
    DataError
        If there is no such document.
    """
    document = history.document(identifier)
    if document is None:
        raise DataError(
            f"there is no metrics document {identifier[:80]}", "see model_performance, or give --model, --size, --start"
        )
    window = Interval(instants.parse(document["window_start"]), instants.parse(document["window_end"]))
    return WindowRecord(
        identifier,
        document,
        history.restatements(identifier),
        history.not_counted(document["model_name"], document["model_version"], window),
        rules.settings_at(document["model_name"], window.start),
    )
