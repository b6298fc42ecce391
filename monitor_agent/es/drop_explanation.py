"""The explanation of a fall: which two sides are compared, and what the one comes from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from monitor_agent.contracts.kinds import BINARY
from monitor_agent.contracts.model_names import problem_of_version, version_order
from monitor_agent.durations import format_duration
from monitor_agent.errors import DataError, SettingsError
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.history import History
from monitor_agent.es.root_cause_store import RootCauseStore
from monitor_agent.metrics.positive_rate import rate_name
from monitor_agent.pipeline.instants import WEEK
from monitor_agent.pipeline.model_scopes import SettingsByModel
from monitor_agent.root_causes.drop import ExplainedDrop
from monitor_agent.root_causes.searches import JUST_BEFORE, LAST_WEEK, DropQuestion, Side, SideComparison, in_words
from monitor_agent.root_causes.shares import MEASURES, POSITIVE_RATE
from monitor_agent.settings import AgentSettings


def explain_drop(gateway: Gateway, question: DropQuestion, rules: SettingsByModel, now: datetime) -> ExplainedDrop:
    """Return the explanation of a fall.

    Raises
    ------
    SettingsError
        If the question contradicts itself.
    DataError
        If the model is not binary, or a side has no predictions with known labels.
    """
    for option, version in (("--version", question.version), ("--against", question.against)):
        if version and (problem := problem_of_version(version)):
            raise SettingsError(f"{option} {version} {problem}", "name a version")
    if question.version and question.version == question.against:
        raise SettingsError("--version and --against are the same version", "name two versions")
    agent = rules.latest(question.model)
    if agent.kind not in ("", BINARY.name):
        raise DataError(
            f"{question.model} is a {agent.kind} model", "explain-drop splits metrics of binary models only"
        )
    store, after = RootCauseStore(gateway), question.after()
    if not store.predictions(after, agent, now):
        raise DataError(
            f"{question.model} has no predictions with known labels: {in_words(after)}",
            f"labels are known {format_duration(agent.attribution_window)} after a prediction: give an earlier range",
        )
    history = History(gateway, agent.page_size)
    before = _before(question, store, agent, _versions(history, question, rules.base_sizes), now)
    measure = MEASURES[question.metric]
    metric = rate_name(agent.feedback_type) if question.metric == POSITIVE_RATE else question.metric
    return store.explain(SideComparison(before, after, agent, now), measure, metric)


def _versions(history: History, question: DropQuestion, sizes: Sequence[str]) -> list[str]:
    """Return the versions of the model that were served in the interval, the newest first."""
    served = history.versions(sizes, question.interval.start, question.interval.end)
    versions = [version for entry in served if entry.model == question.model for version in entry.served]
    return sorted(versions, key=version_order, reverse=True)


def _before(
    question: DropQuestion, store: RootCauseStore, agent: AgentSettings, versions: Sequence[str], now: datetime
) -> Side:
    """Return the side that the fall is measured against.

    Raises
    ------
    DataError
        If there is none with predictions.
    """

    def count(side: Side) -> int:
        return store.predictions(side, agent, now)

    interval = question.interval
    last_week, just_before = question.moved(WEEK), question.moved(interval.end - interval.start)
    named = {LAST_WEEK: last_week, JUST_BEFORE: just_before}
    first = named.get(question.against or LAST_WEEK, Side(question.model, interval, question.against))
    if count(first):
        return first
    if not question.against:
        rivals = [version for version in versions if question.version not in ("", version)]
        counts = {side: count(side) for side in (Side(question.model, interval, version) for version in rivals)}
        busiest = max(counts, key=lambda side: counts[side], default=just_before)
        if counts.get(busiest):
            return busiest
        if count(just_before):
            return just_before
    raise DataError(
        f"there are no predictions with known labels to compare with: {in_words(first)}",
        f"give --against {LAST_WEEK}, {JUST_BEFORE} or a version that was served in this time",
    )
