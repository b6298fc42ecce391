"""Documents wait until Elasticsearch is one that the product supports, and has the index template of their contract.

Without the template, Elasticsearch would make an index with guessed types that the agent never reads.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

import structlog

from monitor_agent.contracts.command_users import SETUP, with_setup_user
from monitor_agent.contracts.event_catalogue import EVENT_CONTRACTS
from monitor_agent.contracts.index_contract import IndexContract
from monitor_agent.http_client.products import wrong_elasticsearch
from monitor_agent.logstash.delivery.answers import foreign_trouble, json_object, own_error
from monitor_agent.logstash.delivery.bulk import reason_of
from monitor_agent.logstash.delivery.transport import HttpAnswer, Transport, UnreachableError
from monitor_agent.logstash.delivery.trouble_messages import general_trouble
from monitor_agent.logstash.delivery.troubles import GENERAL, Troubles

TEMPLATES_PATH = "/_index_template"
MOST_FAILURES = 3
"""After so many looks without Elasticsearch's answer, documents are sent nevertheless: they may get through."""
_NO_SUCH_METHOD = (405, 501)

_log = structlog.get_logger()


class TemplateGate:
    """Looks for version and templates before the first delivery, and again while one of them is wrong.

    Attributes
    ----------
    open : whether no document has to wait any more.
    """

    def __init__(self, transport: Transport, troubles: Troubles) -> None:
        self._transport = transport
        self._troubles = troubles
        self._setup = with_setup_user(SETUP) if transport.has_user else SETUP
        self._absent: list[IndexContract] = list(EVENT_CONTRACTS)
        self._passed: set[str] = set()
        self._failures = 0
        self._version_looks = MOST_FAILURES
        self._lock = threading.Lock()
        self.open = False

    def waiting(self, indices: Iterable[str]) -> set[str]:
        """Return those of the indices whose template is missing, or cannot be looked for at the moment.

        All of them wait for an Elasticsearch that the product supports.
        """
        names = set(indices)
        with self._lock:
            if self._version_looks and self._is_unsupported():
                return names
            unsure = names - self._passed
            waits = {} if self.open else self._of_contracts(unsure)
            if waits:
                if not self._read_templates():
                    if self._failures < MOST_FAILURES:
                        return set(waits)
                    self._failures = 0
                    return set()
                waits = {} if self.open else self._of_contracts(unsure)
                self._note_missing(waits)
            self._passed |= unsure - set(waits)
            return set(waits)

    def _is_unsupported(self) -> bool:
        """Return whether another product or an old version answers; a server that does not say it passes."""
        try:
            answer = self._transport.request("GET", "/")
        except UnreachableError:
            return False
        passing = answer.status in (401, 429) or answer.status >= 500
        document = json_object(answer) if answer.status == 200 else None
        reason, remedy = wrong_elasticsearch(document, answer.address)
        if reason:
            self._troubles.note(GENERAL, f"{reason}: {remedy}; the lines wait")
            return True
        self._version_looks = self._version_looks - 1 if passing else 0
        return False

    def _of_contracts(self, indices: Iterable[str]) -> dict[str, str]:
        """Return the indices that belong to a contract without a template, with the name of the template."""
        pairs = [(index, contract) for contract in self._absent for index in indices]
        return {index: contract.name for index, contract in pairs if fnmatchcase(index, contract.pattern)}

    def _read_templates(self) -> bool:
        """Return whether it is clear now which documents must wait; documents of absent templates wait otherwise."""
        try:
            answer = self._transport.request("GET", TEMPLATES_PATH)
        except UnreachableError as error:
            return self._count_failure(f"elasticsearch cannot be reached; trying again ({error})")
        templates = (json_object(answer) or {}).get("index_templates")
        if isinstance(templates, list):
            self._failures = 0
            self._troubles.clear(GENERAL)
            self._remove_present(templates)
            return True
        return self._without_list(answer)

    def _remove_present(self, templates: list[Any]) -> None:
        patterns = [pattern for template in templates for pattern in _patterns_of(template)]
        self._let_pass([contract for contract in self._absent if contract.has_template(patterns)])

    def _let_pass(self, contracts: list[IndexContract]) -> None:
        self._absent = [contract for contract in self._absent if contract not in contracts]
        for contract in contracts:
            self._troubles.clear(_key(contract.name))
        self.open = not self._absent

    def _without_list(self, answer: HttpAnswer) -> bool:
        """Decide what an answer without a list of templates means."""
        error = own_error(answer)
        if answer.status in (401, 429) or (answer.status >= 500 and answer.status not in _NO_SUCH_METHOD):
            self._failures = 0
            trouble = general_trouble(answer.status, reason_of(error)) if error else foreign_trouble(answer)
            self._troubles.note(GENERAL, trouble)
            return False
        if answer.status in _NO_SUCH_METHOD or json_object(answer) is not None:
            reason = reason_of(error) if error else f"status {answer.status}"
            _log.warning(f"the index templates cannot be looked for; {self._setup} first", reason=reason)
            self._let_pass(self._absent)
            return True
        return self._count_failure(foreign_trouble(answer))

    def _count_failure(self, message: str) -> bool:
        self._failures += 1
        self._troubles.note(GENERAL, message)
        return False

    def _note_missing(self, waits: dict[str, str]) -> None:
        for name in sorted(set(waits.values())):
            message = f"the index template {name} is missing: {self._setup}; the lines wait"
            self._troubles.note(_key(name), message, "no index template")


def _key(name: str) -> str:
    return f"template {name}"


def _patterns_of(template: Any) -> list[str]:
    """Return the index patterns of an entry of the list."""
    try:
        patterns = template["index_template"]["index_patterns"]
    except (KeyError, TypeError):
        return []
    return [str(pattern) for pattern in ([patterns] if isinstance(patterns, str) else patterns)]
