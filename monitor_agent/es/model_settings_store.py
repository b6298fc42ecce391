"""The settings of models in Elasticsearch: one document, written only if nobody else has changed it in the meantime.

A document of the agents' state remembers which change of the settings was the latest when each model was first met. The
revisions of the model follow from it and from the history.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from monitor_agent.contracts.agent_state import AGENT_STATE
from monitor_agent.contracts.model_settings import MODEL_SETTINGS
from monitor_agent.contracts.performance import PERFORMANCE
from monitor_agent.errors import ConflictError, NotSetUpError
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.operations import DocumentVersion, Operation
from monitor_agent.es.retry import ResponseAction
from monitor_agent.es.rights import setup_remedy
from monitor_agent.es.state_store import StateStore, StoredState
from monitor_agent.pipeline.model_history import ModelHistory, SettingsChange
from monitor_agent.pipeline.model_scopes import SettingsByModel
from monitor_agent.settings import AgentSettings
from monitor_agent.settings.model_tables import DEFAULT, Table

MOST_MODELS = 10_000
IDENTIFIER = "models"
"""The `_id` of the settings, and of the state document about the models that were met."""


@dataclass(frozen=True)
class StoredHistory:
    """The history of the settings as it is stored.

    Attributes
    ----------
    history : the changes.
    version : the version of the document; None = there is no document.
    first_changes : model -> the change that was the latest when the model was first met.
    """

    history: ModelHistory = field(default_factory=ModelHistory)
    version: DocumentVersion | None = None
    first_changes: Mapping[str, int] = field(default_factory=dict)


class ModelSettingsStore:
    """Reads and writes the settings of models."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._states = StateStore(gateway)

    def read(self, *, with_state: bool = True) -> StoredHistory:
        """Return the history, by one request; without changes if the set-up has not written the settings.

        Parameters
        ----------
        with_state : whether the state of the agents is read, too, which analysts may not: it also holds the models that
            were met after the latest change. These have one revision.
        """
        documents = [(MODEL_SETTINGS.name, IDENTIFIER), *([(AGENT_STATE.name, IDENTIFIER)] if with_state else [])]
        hits = {hit["_index"]: hit for hit in self._gateway.mget(documents)}
        met, settings = hits.get(AGENT_STATE.name), hits.get(MODEL_SETTINGS.name)
        first_changes = {} if met is None else _first_changes(StoredState.from_hit(met))
        if settings is None:
            return StoredHistory(first_changes=first_changes)
        source = settings["_source"]
        changes = tuple(SettingsChange.from_content(content) for content in source["changes"])
        first_changes = {**source.get("first_changes", {}), **first_changes}
        return StoredHistory(ModelHistory(changes), DocumentVersion.from_hit(settings), first_changes)

    def require(self) -> StoredHistory:
        """Return the history.

        Raises
        ------
        NotSetUpError
            If the set-up has not written the settings.
        """
        stored = self.read()
        if stored.version is None:
            raise NotSetUpError("Elasticsearch holds no settings of models", setup_remedy(self._gateway))
        return stored

    def begin(self, default: Table, now: datetime) -> bool:
        """Write a first table `default`; return False, and write nothing, if there are settings already."""
        stored = self.read()
        if stored.version is not None:
            return False
        try:
            self.write(stored, stored.history.with_change({DEFAULT: default}, now))
        except ConflictError:  # another set-up was faster
            return False
        return True

    def write(self, stored: StoredHistory, history: ModelHistory) -> None:
        """Write a history in the place of the one that was read.

        Raises
        ------
        ConflictError
            If the document has changed since it was read.
        """
        contents = [change.content() for change in history.changes]
        body = {
            "@timestamp": contents[-1]["changed_at"],
            "number": history.number,
            "tables": contents[-1]["tables"],
            "first_changes": dict(stored.first_changes),
            "changes": contents,
        }
        operation = (
            Operation("create", MODEL_SETTINGS.name, IDENTIFIER, body)
            if stored.version is None
            else stored.version.operation("index", body)
        )
        (result,) = self._gateway.bulk([operation])
        if result is not ResponseAction.DONE:
            raise ConflictError(
                "somebody else has changed the settings of models in the meantime",
                "look at `monitor-agent models diff FILE`, and apply again",
            )

    def change(self, stored: StoredHistory, history: ModelHistory, now: datetime) -> Mapping[str, int]:
        """Write a changed history; models that no agent of this release has met yet had the settings before it.

        Returns
        -------
        first_changes : the first change of every model.

        Raises
        ------
        ConflictError
            If the document has changed since it was read.
        """
        first_changes = self.meet(stored_first_changes(self._gateway, stored), stored.history.number, now)
        self.write(replace(stored, first_changes=first_changes), history)
        return first_changes

    def meet(self, models: Iterable[str], number: int, now: datetime) -> Mapping[str, int]:
        """Remember models that nobody has met yet; return the first change of every model that was met.

        Of two agents that meet a model at the same time, the first one decides.

        Parameters
        ----------
        number : the latest change of the settings that was read.
        """
        models = set(models)
        while True:
            (state,) = self._states.read(IDENTIFIER)
            first_changes = _first_changes(state)
            if models <= first_changes.keys():
                return first_changes
            first_changes = {**dict.fromkeys(sorted(models), number), **first_changes}
            if self._states.write(state, {"first_changes": first_changes}, now):
                return first_changes


def read_rules(gateway: Gateway, process: AgentSettings, *models: str) -> SettingsByModel:
    """Return which settings decide the numbers of each model, for somebody who reads: the agents' state is not needed.

    Parameters
    ----------
    process : the settings of the process.
    models : those that the user names: they have settings of their own, even if nobody has met them.
    """
    stored = ModelSettingsStore(gateway).read(with_state=False)
    first_changes = {**{model: stored.history.number for model in models if model}, **stored.first_changes}
    return SettingsByModel.of(stored.history, first_changes, process)


def stored_models(gateway: Gateway) -> list[str]:
    """Return the names of the models that have metrics documents."""
    aggs = {"models": {"terms": {"field": "model_name", "size": MOST_MODELS}}}
    response = gateway.search(PERFORMANCE.alias, {"size": 0, "track_total_hits": False, "aggs": aggs})
    return [bucket["key"] for bucket in response.get("aggregations", {}).get("models", {}).get("buckets", [])]


def stored_first_changes(gateway: Gateway, stored: StoredHistory) -> dict[str, int]:
    """Return the first change of every model that was met or has metrics documents."""
    return dict.fromkeys(stored_models(gateway), stored.history.number) | dict(stored.first_changes)


def _first_changes(state: StoredState) -> dict[str, int]:
    """Return what the state document remembers; what cannot be read counts as if it were not there."""
    content = state.content.get("first_changes")
    if not isinstance(content, Mapping):
        return {}
    return {model: number for model, number in content.items() if isinstance(number, int)}
