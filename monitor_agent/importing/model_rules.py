"""The settings of the models that an import meets."""

from __future__ import annotations

from datetime import datetime

from monitor_agent.es.gateway import Gateway
from monitor_agent.es.model_settings_store import read_rules
from monitor_agent.pipeline.model_scopes import SettingsByModel
from monitor_agent.settings import AgentSettings


class MetModelSettings:
    """The settings of models, also of those that nobody has met yet."""

    def __init__(self, gateway: Gateway, process: AgentSettings) -> None:
        self._gateway = gateway
        self._process = process
        self._rules: dict[str, SettingsByModel] = {}

    def settings_at(self, model: str, moment: datetime) -> AgentSettings:
        """Return the settings that decide the events of a model at a moment."""
        rules = self._rules.get(model)
        if rules is None:
            rules = self._rules[model] = read_rules(self._gateway, self._process, model)
        return rules.settings_at(model, moment)
