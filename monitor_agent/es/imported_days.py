"""Days of imported events: they are retained from the time of their import, not from their own date."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from monitor_agent.contracts.curve import CURVES
from monitor_agent.contracts.feedback import FEEDBACK
from monitor_agent.contracts.index_contract import IndexContract
from monitor_agent.contracts.performance import PERFORMANCE
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.state_store import StateStore
from monitor_agent.pipeline import instants

STATE_ID = "imports"
"""The state document: for each day, the time of the last import."""
METRICS = (PERFORMANCE, CURVES)
DAILY = PREDICTIONS.suffix
_DAY = "%Y-%m-%d"
_LIFECYCLE = "index.lifecycle.name"


class ImportedDays:
    """The days and the times of their imports."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._state = StateStore(gateway)

    def read(self) -> dict[datetime, datetime]:
        """Return day (UTC, its first moment) -> time of the last import of its events."""
        (stored,) = self._state.read(STATE_ID)
        return _days_of(stored.content)

    def note(self, days: Iterable[datetime], now: datetime) -> None:
        """Note that events of days are imported now; call this before the first event of a day is written.

        In a cluster with lifecycle policies, the age of a new index of a day is counted from now. An index that exists
        is taken out of its policy: the agent deletes it.
        """
        noted = sorted(set(days))
        while True:
            (stored,) = self._state.read(STATE_ID)
            content = {**stored.content.get("days", {}), **{f"{day:{_DAY}}": instants.text(now) for day in noted}}
            if self._state.write(stored, {"days": content}, now):
                break
        self._exempt(noted, now)

    def forget(self, days: Iterable[datetime], now: datetime) -> None:
        """Remove days whose indices are deleted; if somebody imports at the same time, a later call does it."""
        (stored,) = self._state.read(STATE_ID)
        names = {f"{day:{_DAY}}" for day in days}
        content = {name: time for name, time in stored.content.get("days", {}).items() if name not in names}
        if names and stored.version is not None:
            self._state.write(stored, {"days": content}, now)

    def _exempt(self, days: Iterable[datetime], now: datetime) -> None:
        """Keep a lifecycle policy from the deletion of the indices of days, if the templates name one."""
        managed = [contract for contract in (PREDICTIONS, FEEDBACK, *METRICS) if self._is_managed(contract)]
        contract_of = {contract.index_for(day): contract for contract in managed for day in days}
        if not contract_of:
            return
        existing = self._gateway.existing(",".join(contract_of))
        for name in sorted(contract_of):
            if name in existing:
                self._gateway.call(
                    f"take {name} out of its lifecycle policy",
                    lambda client, name=name: client.ilm.remove_policy(index=name).body,  # type: ignore[misc]
                )
            elif contract_of[name].suffix == DAILY:  # the age of an index of a month is counted from its creation
                self._create(name, now)

    def _create(self, name: str, now: datetime) -> None:
        """Create an index whose age the lifecycle policy counts from now; its name has another date."""
        settings = {"index.lifecycle.origination_date": instants.milliseconds(now)}
        self._gateway.call(
            f"create {name}",
            lambda client: client.options(ignore_status=400).indices.create(index=name, settings=settings).body,
        )

    def _is_managed(self, contract: IndexContract) -> bool:
        """Return whether new indices of a contract get a lifecycle policy."""
        answer: Mapping[str, Any] = self._gateway.call(
            f"read the index template {contract.name}",
            lambda client: (
                client.indices.get_index_template(
                    name=contract.name,
                    flat_settings=True,
                    filter_path="index_templates.index_template.template.settings",
                ).body
            ),
        )
        templates = answer.get("index_templates", ())
        return any(
            _LIFECYCLE in entry.get("index_template", {}).get("template", {}).get("settings", {}) for entry in templates
        )


def _days_of(content: Mapping[str, Any]) -> dict[datetime, datetime]:
    days = {}
    for name, time in content.get("days", {}).items():
        try:
            days[datetime.strptime(name, _DAY).replace(tzinfo=timezone.utc)] = instants.parse(time)
        except (TypeError, ValueError, AttributeError):
            continue  # nobody else writes such a day: an unreadable one protects nothing
    return days
