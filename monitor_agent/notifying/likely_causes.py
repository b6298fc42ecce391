"""What a fall probably comes from: found once, when its alert becomes active, and stored for messages and pages.

The analysis is that of `monitor-agent explain-drop`. It has a few seconds. Whatever it does, the message goes out; a
retry of the message does not analyse again. If it does not finish, message and page say so, and name the command.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from monitor_agent.alerting.firings import Firing
from monitor_agent.contracts.verdict import EARLY, RATE
from monitor_agent.durations import format_duration
from monitor_agent.errors import DataError, ElasticsearchError, MonitorError, SettingsError
from monitor_agent.es.drop_explanation import explain_drop
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.model_settings_store import read_rules
from monitor_agent.es.state_store import StateStore
from monitor_agent.metrics.early_positives import EARLY_AGE
from monitor_agent.notifying.messages import FEATURE, MIX_SHIFT, SEGMENT, FiringFacts, LikelyCause
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.instants import HOUR, Interval
from monitor_agent.root_causes.causes import ComparedValue
from monitor_agent.root_causes.drop import ExplainedDrop
from monitor_agent.root_causes.label_rule import FINAL_LABELS
from monitor_agent.root_causes.searches import LAST_WEEK, DropQuestion
from monitor_agent.root_causes.value_sums import POSITIVE_RATE
from monitor_agent.settings import AgentSettings

CAUSES = "causes"
"""The id of the document in `monitor-agent-state`, its kind, and its only field."""
QUALITY = ("rate_fall", "auc_fall", "f1_fall", "f1_high")
"""Measures whose fall can be explained."""
LONGEST_SECONDS = 6.0
"""How long a message waits for the analysis."""
STORED_FOR = timedelta(days=8)
_F1 = "f1"
_COMMAND = "not_analysed"
"""The field of an entry whose analysis did not finish: the command that makes it."""


@dataclass(frozen=True)
class CauseAnalysis:
    """What the analysis of a fall has given.

    Attributes
    ----------
    cause : None = the analysis names none, or it did not finish.
    command : the command that explains the fall, if the analysis did not finish; empty = it did.
    """

    cause: LikelyCause | None = None
    command: str = ""


def likely_cause(drop: ExplainedDrop) -> LikelyCause | None:
    """Return the cause that an explanation names; None if it names none."""
    verdict, age = drop.verdict, "" if drop.comparison.rule.age is None else drop.comparison.rule.age_text
    if verdict == MIX_SHIFT and drop.shift is not None:
        return LikelyCause(MIX_SHIFT, drop.shift.dimension, share=drop.shift.share, age=age)
    if verdict == FEATURE:
        feature, further = drop.changed[0].dimension, len(drop.changed) - 1
        worst = next((row for row in drop.causes if row.dimension == feature), None)
        if worst is None:
            return LikelyCause(FEATURE, feature, further=further, age=age)
        return LikelyCause(FEATURE, feature, worst.value, *_values(drop, worst), further=further, age=age)
    if verdict != SEGMENT or not drop.causes:
        return None
    first, further = drop.causes[0], len(drop.causes) - 1
    share = drop.share_of(first)
    return LikelyCause(SEGMENT, first.dimension, first.value, *_values(drop, first), share, further, age)


def _values(drop: ExplainedDrop, row: ComparedValue) -> tuple[float | None, float | None]:
    """Return the metric of a value before and after."""
    return drop.measure.value(row.change.before), drop.measure.value(row.change.after)


def drop_question(firing: Firing, facts: FiringFacts, now: datetime) -> DropQuestion | None:
    """Return the question what a firing's fall comes from; None if it is about no fall of a model.

    It counts the positives that the verdict has counted: a rate that fell by clicks at equal age is explained by them.
    """
    if not firing.model or firing.measure not in QUALITY:
        return None
    since = facts.fell_since or facts.window_start or firing.start - HOUR
    against = facts.against.removeprefix("version ") or (LAST_WEEK if facts.reference is not None else "")
    metric = _F1 if facts.metric == _F1 else POSITIVE_RATE
    is_early = facts.counted == EARLY and facts.metric == RATE
    age = format_duration(EARLY_AGE) if is_early else FINAL_LABELS
    return DropQuestion(firing.model, firing.version, Interval(since, firing.end or now), against, metric, age)


def analyses_in(content: Mapping[str, Any]) -> dict[str, CauseAnalysis]:
    """Return the analyses in the content of the state document, by the ids of firings."""
    analyses: dict[str, CauseAnalysis] = {}
    entries = content.get(CAUSES)
    for id_, entry in entries.items() if isinstance(entries, dict) else ():
        try:
            cause = LikelyCause(**entry["cause"]) if entry["cause"] else None
            analyses[id_] = CauseAnalysis(cause, str(entry.get(_COMMAND) or ""))
        except (AttributeError, KeyError, TypeError):
            continue
    return analyses


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
    ) -> dict[str, CauseAnalysis]:
        """Return the analyses of the falls among firings, by their ids.

        Parameters
        ----------
        facts : the numbers behind the firings, by their ids.
        analyse : whether the falls that were not analysed yet are analysed now.
        """
        # A firing of a segment names it: the analysis of its whole version answers another question.
        questions = {
            id_: drop_question(row, facts.get(id_, FiringFacts()), now)
            for id_, row in firings.items()
            if not row.segment
        }
        explainable = {id_: question for id_, question in questions.items() if question is not None}
        if not explainable:
            return {}
        try:
            (state,) = self._states.read(CAUSES)
            analyses = analyses_in(state.content)
            missing = {id_: question for id_, question in explainable.items() if id_ not in analyses}
            if missing and analyse:
                analysed = self._analysed(missing, now)
                analyses |= analysed
                self._states.write(state, _content(state.content, analysed, now), now)
        except ElasticsearchError as error:
            self._log.warning("the likely cause of a fall cannot be read or stored", reason=error.message)
            return {}
        return {id_: analyses[id_] for id_ in explainable if id_ in analyses}

    def _analysed(self, questions: Mapping[str, DropQuestion], now: datetime) -> dict[str, CauseAnalysis]:
        """Return the analyses of some falls; of those that do not finish in time, the commands that make them."""
        finished: dict[str, CauseAnalysis] = {}
        too_late = threading.Event()

        def analyse() -> None:
            for id_, question in questions.items():
                if too_late.is_set():
                    return
                finished[id_] = self._analysis(question, now)

        thread = threading.Thread(target=analyse, name="likely-causes", daemon=True)
        began = time.monotonic()
        thread.start()
        thread.join(self._seconds)
        too_late.set()
        analyses = {id_: finished.get(id_, CauseAnalysis(command=row.command())) for id_, row in questions.items()}
        unfinished = sum(bool(row.command) for row in analyses.values())
        if unfinished:
            self._log.warning(
                "falls were not analysed in time: their messages name the command that explains them", falls=unfinished
            )
        elapsed = round(time.monotonic() - began, 2)
        self._log.info("falls analysed", falls=len(analyses) - unfinished, seconds=elapsed)
        return analyses

    def _analysis(self, question: DropQuestion, now: datetime) -> CauseAnalysis:
        try:
            rules = read_rules(self._gateway, self._settings, question.model)
            return CauseAnalysis(likely_cause(explain_drop(self._gateway, question, rules, now, other_changes=False)))
        except (DataError, SettingsError) as error:
            self._log.info("a fall cannot be explained", model=question.model, reason=error.message)
            return CauseAnalysis()
        except MonitorError as error:
            self._log.warning("the analysis of a fall failed", model=question.model, reason=error.message)
        except Exception as error:  # noqa: BLE001 - a fault of the analysis must not keep a message back
            self._log.error("the analysis of a fall failed", exc_info=error, model=question.model)
        return CauseAnalysis(command=question.command())


def _content(
    before: Mapping[str, Any], analysed: Mapping[str, CauseAnalysis], now: datetime
) -> dict[str, dict[str, Any]]:
    """Return the new content of the state document; entries that nobody needs any more are left out."""
    entries = before.get(CAUSES)
    earlier = entries if isinstance(entries, dict) else {}
    oldest = instants.text(now - STORED_FOR)
    current = {
        id_: entry for id_, entry in earlier.items() if isinstance(entry, dict) and entry.get("at", "") >= oldest
    }
    new = {
        id_: {
            "at": instants.text(now),
            "cause": None if row.cause is None else asdict(row.cause),
            **({_COMMAND: row.command} if row.command else {}),
        }
        for id_, row in analysed.items()
    }
    return {CAUSES: {**current, **new}}
