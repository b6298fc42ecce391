"""The explanation of a fall: which two sides are compared, and what the one comes from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from monitor_agent.contracts.model_names import problem_of_version, version_order
from monitor_agent.durations import format_duration, parse_duration
from monitor_agent.errors import DataError, SettingsError
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.history import History
from monitor_agent.es.root_cause_store import RootCauseStore
from monitor_agent.metrics.positive_rate import rate_name
from monitor_agent.pipeline.instants import WEEK
from monitor_agent.pipeline.model_scopes import SettingsByModel
from monitor_agent.root_causes.drop import ExplainedDrop
from monitor_agent.root_causes.label_rule import FINAL_LABELS, LabelRule, usual_age
from monitor_agent.root_causes.searches import JUST_BEFORE, LAST_WEEK, DropQuestion, Side, SideComparison, in_words
from monitor_agent.root_causes.value_sums import MEASURES, POSITIVE_RATE, Measure
from monitor_agent.settings import AgentSettings
from monitor_agent.vocabulary.prediction_kinds import BINARY


def explain_drop(
    gateway: Gateway, question: DropQuestion, rules: SettingsByModel, now: datetime, *, other_changes: bool = True
) -> ExplainedDrop:
    """Return the explanation of a fall.

    Parameters
    ----------
    other_changes : whether it is also read what else changed.

    Raises
    ------
    SettingsError
        If the question contradicts itself.
    DataError
        If the model has no such metric, or a side has no predictions with known labels.
    """
    for option, version in (("--version", question.version), ("--against", question.against)):
        if version and (problem := problem_of_version(version)):
            raise SettingsError(f"{option} {version} {problem}", "name a version")
    if question.version and question.version == question.against:
        raise SettingsError("--version and --against are the same version", "name two versions")
    agent = rules.latest(question.model)
    store, after = RootCauseStore(gateway), question.after()
    rule = _rule(question, agent, agent.kind or store.kind(after), now)
    measure = _measure(question, rule.kind)
    if not store.predictions(after, rule):
        raise DataError(
            f"{question.model} has no predictions with known labels: {in_words(after)} (age: {rule.age_text})",
            rule.remedy(),
        )
    history = History(gateway, agent.page_size)
    rivals = [] if question.against else _versions(history, question, rules.base_sizes)
    before = _before(question, store, rule, rivals)
    metric = rate_name(agent.feedback_type) if measure.name == POSITIVE_RATE else measure.name
    return store.explain(SideComparison(before, after, rule), measure, metric, other_changes=other_changes)


def _rule(question: DropQuestion, agent: AgentSettings, kind: str, now: datetime) -> LabelRule:
    """Return which predictions count, and by which labels.

    Raises
    ------
    SettingsError
        If the model cannot be counted at the age of the question.
    """
    if kind != BINARY:
        if question.age not in ("", FINAL_LABELS):
            raise SettingsError(
                f"--age {question.age} is for clicks and other positives; {question.model} is a {kind} model",
                "leave --age out",
            )
        return LabelRule(agent, now, kind)
    if not question.age:
        return LabelRule(agent, now, kind, usual_age(agent, question.interval, now))
    if question.age == FINAL_LABELS:
        return LabelRule(agent, now, kind)
    try:
        age = parse_duration(question.age)
    except DataError as error:
        raise SettingsError(
            f"--age {question.age}: {error.message}", f"give {FINAL_LABELS}, or a time such as 5m"
        ) from error
    if agent.absent_feedback != "negative":
        raise SettingsError(
            f"--age {question.age}: labels of {question.model} have no common age, as its missing feedback is no 0",
            "leave --age out",
        )
    if not timedelta() < age < agent.attribution_window:
        raise SettingsError(
            f"--age {question.age} is not between 0 and the attribution window of {question.model}, "
            f"{format_duration(agent.attribution_window)}",
            f"give {FINAL_LABELS}, or a time such as 5m",
        )
    return LabelRule(agent, now, kind, age)


def _measure(question: DropQuestion, kind: str) -> Measure:
    """Return the metric that is split.

    Raises
    ------
    DataError
        If the kind of the model has no such metric that can be split.
    """
    measures = MEASURES[kind]
    if question.metric and question.metric not in measures:
        raise DataError(
            f"{question.metric} of a {kind} model cannot be split", f"{question.model} has {', '.join(measures)}"
        )
    return measures[question.metric or next(iter(measures))]


def _versions(history: History, question: DropQuestion, sizes: Sequence[str]) -> list[str]:
    """Return the versions of the model that were served in the interval, the newest first."""
    served = history.versions(sizes, question.interval.start, question.interval.end)
    versions = [version for entry in served if entry.model == question.model for version in entry.served]
    return sorted(versions, key=version_order, reverse=True)


def _before(question: DropQuestion, store: RootCauseStore, rule: LabelRule, versions: Sequence[str]) -> Side:
    """Return the side that the fall is measured against.

    Raises
    ------
    DataError
        If there is none with predictions.
    """

    def count(side: Side) -> int:
        return store.predictions(side, rule)

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
