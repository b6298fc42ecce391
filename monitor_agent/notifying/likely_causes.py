"""What a fall probably comes from: found once, when its alert becomes active, and stored for messages and pages.

The analysis is that of `monitor-agent explain-drop`. It has a few seconds. Whatever it does, the message goes out; a
retry of the message does not analyse again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import structlog

from monitor_agent.alerting.firings import Firing
from monitor_agent.errors import ElasticsearchError, MonitorError
from monitor_agent.es.drop_explanation import explain_drop
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.model_settings_store import read_rules
from monitor_agent.es.state_store import StateStore
from monitor_agent.notifying.messages import MIX_SHIFT, SEGMENT, FiringFacts, LikelyCause
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.instants import HOUR, Interval
from monitor_agent.root_causes.drop import ExplainedDrop
from monitor_agent.root_causes.searches import LAST_WEEK, DropQuestion
from monitor_agent.root_causes.shares import POSITIVE_RATE
from monitor_agent.settings import AgentSettings

CAUSES = "causes"
"""The id of the document in `monitor-agent-state`, its kind, and its only field."""
QUALITY = ("rate_fall", "auc_fall", "f1_fall", "f1_high")
"""Measures whose fall can be explained."""
LONGEST_SECONDS = 6.0
"""How long a message waits for the analysis."""
STORED_FOR = timedelta(days=8)
_F1 = "f1"


def likely_cause(drop: ExplainedDrop) -> LikelyCause | None:
    """Return the cause that an explanation names; None if it names none."""
    if drop.verdict == MIX_SHIFT and drop.shift is not None:
        return LikelyCause(MIX_SHIFT, drop.shift.dimension, share=drop.shift.share)
    if drop.verdict != SEGMENT or not drop.causes:
        return None
    first = drop.causes[0]
    before, after = (drop.measure.value(side) for side in (first.change.before, first.change.after))
    further = len(drop.causes) - 1
    return LikelyCause(SEGMENT, first.dimension, first.value, before, after, drop.share_of(first), further)


def drop_question(firing: Firing, facts: FiringFacts, now: datetime) -> DropQuestion | None:
    """Return the question what a firing's fall comes from; None if it is about no fall of a model."""
    if not firing.model or firing.measure not in QUALITY:
        return None
    since = facts.fell_since or facts.window_start or firing.start - HOUR
    against = facts.against.removeprefix("version ") or (LAST_WEEK if facts.reference is not None else "")
    metric = _F1 if facts.metric == _F1 else POSITIVE_RATE
    return DropQuestion(firing.model, firing.version, Interval(since, firing.end or now), against, metric)


def causes_in(content: Mapping[str, Any]) -> dict[str, LikelyCause | None]:
    """Return the causes in the content of the state document, by the ids of firings; None = the analysis names none."""
    causes: dict[str, LikelyCause | None] = {}
    entries = content.get(CAUSES)
    for id_, entry in entries.items() if isinstance(entries, dict) else ():
        try:
            causes[id_] = LikelyCause(**entry["cause"]) if entry["cause"] else None
        except (KeyError, TypeError):
            continue
    return causes


class LikelyCauses:
    """The causes of falls, analysed once each.

    Parameters
    ----------
    settings : those of the process, for models whose settings the cluster does not hold.
    seconds : how long a message waits for the analysis.
    """

    def __init__(
        self, gateway: Gateway, states: StateStore, settings: AgentSettings, seconds: float = LONGEST_SECONDS
    ) -> None:
        self._gateway = gateway
        self._states = states
        self._settings = settings
        self._seconds = seconds
        self._log = structlog.get_logger()

    def of(
        self, firings: Mapping[str, Firing], facts: Mapping[str, FiringFacts], now: datetime, *, analyse: bool
    ) -> dict[str, LikelyCause]:
        """Return the causes of the falls among firings, by their ids.

        Parameters
        ----------
        facts : the numbers behind the firings, by their ids.
        analyse : whether the falls that were not analysed yet are analysed now.
        """
        questions = {id_: drop_question(row, facts.get(id_, FiringFacts()), now) for id_, row in firings.items()}
        explainable = {id_: question for id_, question in questions.items() if question is not None}
        if not explainable:
            return {}
        try:
            (state,) = self._states.read(CAUSES)
            causes = causes_in(state.content)
            missing = {id_: question for id_, question in explainable.items() if id_ not in causes}
            if missing and analyse:
                analysed = self._analysed(missing, now)
                causes |= analysed
                self._states.write(state, _content(state.content, analysed, now), now)
        except ElasticsearchError as error:
            self._log.warning("the likely cause of a fall cannot be read or stored", reason=error.message)
            return {}
        return {id_: cause for id_ in explainable if (cause := causes.get(id_)) is not None}

    def _analysed(self, questions: Mapping[str, DropQuestion], now: datetime) -> dict[str, LikelyCause | None]:
        """Return the causes of some falls, as far as they come in time."""
        causes: dict[str, LikelyCause | None] = {}

        def analyse() -> None:
            for id_, question in questions.items():
                causes[id_] = self._cause(question, now)

        thread = threading.Thread(target=analyse, name="likely-causes", daemon=True)
        began = time.monotonic()
        thread.start()
        thread.join(self._seconds)
        if thread.is_alive():
            self._log.warning("the analysis of a fall takes too long: the message goes without its cause")
        self._log.info("falls analysed", falls=len(causes), seconds=round(time.monotonic() - began, 2))
        return {id_: causes.get(id_) for id_ in questions}

    def _cause(self, question: DropQuestion, now: datetime) -> LikelyCause | None:
        try:
            rules = read_rules(self._gateway, self._settings, question.model)
            return likely_cause(explain_drop(self._gateway, question, rules, now))
        except MonitorError as error:
            self._log.info("a fall cannot be explained", model=question.model, reason=error.message)
        except Exception as error:  # noqa: BLE001 - a fault of the analysis must not keep a message back
            self._log.error("the analysis of a fall failed", exc_info=error, model=question.model)
        return None


def _content(
    before: Mapping[str, Any], analysed: Mapping[str, LikelyCause | None], now: datetime
) -> dict[str, dict[str, Any]]:
    """Return the new content of the state document; entries that nobody needs any more are left out."""
    entries = before.get(CAUSES)
    earlier = entries if isinstance(entries, dict) else {}
    oldest = instants.text(now - STORED_FOR)
    current = {
        id_: entry for id_, entry in earlier.items() if isinstance(entry, dict) and entry.get("at", "") >= oldest
    }
    new = {
        id_: {"at": instants.text(now), "cause": None if cause is None else asdict(cause)}
        for id_, cause in analysed.items()
    }
    return {CAUSES: {**current, **new}}
