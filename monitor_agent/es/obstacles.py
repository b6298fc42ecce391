"""What is in the way of the index templates: indices with another mapping, names in use, templates of others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from monitor_agent.contracts.catalogue import CONTRACTS
from monitor_agent.contracts.index_contract import TEMPLATE_PRIORITY, Field, IndexContract
from monitor_agent.es.client_names import ClientNames
from monitor_agent.es.gateway import Gateway

REPAIR = "monitor-agent setup --repair"
COPY_MARK = ".repair"
"""Stands in the names of the copies that `monitor-agent setup --repair` makes; no template and no alias has them."""
FIELDS_IN_MESSAGE = 3
READ_ONLY = ("index.blocks.read_only_allow_delete", "index.blocks.read_only", "index.blocks.metadata")
"""Settings that forbid changes of an index; Elasticsearch sets the first one itself when a disk is full."""
NAME_OF_ALIAS = "it has the name that the alias of the dated indices needs"

Mappings = Mapping[str, Any]


@dataclass(frozen=True)
class Obstacle:
    """One thing of the cluster that is in the way.

    Attributes
    ----------
    name : the index, or the other thing.
    problem : what is wrong with it.
    remedy : what the user can do; empty = repair it.
    """

    name: str
    problem: str
    remedy: str = ""

    @property
    def repairable(self) -> bool:
        """Whether `monitor-agent setup --repair` removes it."""
        return not self.remedy

    @property
    def advice(self) -> str:
        """What to do, as an instruction to the user."""
        return self.remedy or f"run `{REPAIR} {self.name}`"

    @property
    def lines(self) -> tuple[str, str]:
        """The problem and the advice, for people."""
        return f"in the way: {self.name}: {self.problem}", f"  {self.advice}"


@dataclass(frozen=True)
class IndexState:
    """One index of the cluster that has a name of the product.

    Attributes
    ----------
    name : its name.
    contract : the contract that the name belongs to.
    mapping : its mapping.
    aliases : its aliases.
    uuid : Elasticsearch's id of the index, which a new index of the same name does not get.
    closed : whether it is closed: no search can read it.
    data_stream : the data stream that it belongs to; empty = none.
    read_only : the setting that forbids every change; empty = none.
    alias_of : the index that the name is only an alias of; empty = the name is that of the index.
    """

    name: str
    contract: IndexContract
    mapping: Mappings = field(default_factory=dict)
    aliases: frozenset[str] = frozenset()
    uuid: str = ""
    closed: bool = False
    data_stream: str = ""
    read_only: str = ""
    alias_of: str = ""

    @property
    def has_name_of_alias(self) -> bool:
        """Whether the index has the name that the alias of the dated indices needs."""
        return bool(self.contract.suffix) and self.name == self.contract.alias

    @property
    def has_date(self) -> bool:
        """Whether the name has the date that it needs."""
        try:
            return not self.contract.suffix or bool(self.contract.day_of(self.name))
        except ValueError:
            return False

    @property
    def is_copy(self) -> bool:
        """Whether the index is the copy of an unfinished repair."""
        return self.name.startswith(f"{self.contract.name}{COPY_MARK}")

    @property
    def lacks_alias(self) -> bool:
        """Whether searches over the alias do not find the index."""
        return bool(self.contract.suffix) and not self.is_copy and self.contract.alias not in self.aliases


def copy_name(contract: IndexContract, name: str) -> str:
    """Return the name of the copy of an index; the roles of the product cover it.

    >>> from monitor_agent.contracts.prediction import PREDICTIONS
    >>> copy_name(PREDICTIONS, "model-predictions-2026.11.28"), copy_name(PREDICTIONS, "model-predictions")
    ('model-predictions.repair-2026.11.28', 'model-predictions.repair')
    """
    return f"{contract.name}{COPY_MARK}{'' if name == contract.alias else name.removeprefix(contract.name)}"


def name_of_original(contract: IndexContract, copy: str) -> str:
    """Return the name of the index that a copy belongs to.

    >>> from monitor_agent.contracts.performance import PERFORMANCE
    >>> name_of_original(PERFORMANCE, "model-performance.repair"), name_of_original(
    ...     PERFORMANCE, "model-performance.repair-2026.11"
    ... )
    ('model_performance', 'model-performance-2026.11')
    """
    rest = copy.removeprefix(f"{contract.name}{COPY_MARK}")
    return f"{contract.name}{rest}" if rest else contract.alias


def conflicts(mapping: Mappings, contract: IndexContract) -> list[str]:
    """Return what keeps a mapping from becoming that of the contract, one text per field; empty = nothing does."""
    texts = (_conflict(mapping, name, entry) for name, entry in contract.fields.items())
    return list(dict.fromkeys(text for text in texts if text))


def _conflict(mapping: Mappings, name: str, entry: Field) -> str:
    node, path = mapping, ""
    for step in name.split("."):
        if path and node.get("type", "object") != "object":
            return f"{path} is {node['type']}, not an object"
        if step not in node.get("properties", {}):
            return ""
        node, path = node["properties"][step], f"{path}.{step}".lstrip(".")
    kind = str(node.get("type", "object"))
    if kind != entry.type:
        return f"{name} is {kind}, not {entry.type}"
    if entry.options.get("enabled", True) != _is_enabled(node):
        return f"{name} is {'indexed' if _is_enabled(node) else 'not indexed'}"
    values = entry.options.get("_values")
    if values is not None:
        for leaf, other in _leaves(node, name):
            if other != values["type"]:
                return f"{leaf} is {other}, not {values['type']}"
    return ""


def _is_enabled(node: Mappings) -> bool:
    return str(node.get("enabled", True)).lower() == "true"


def _leaves(node: Mappings, prefix: str) -> Iterator[tuple[str, str]]:
    for step, child in node.get("properties", {}).items():
        if "properties" in child:
            yield from _leaves(child, f"{prefix}.{step}")
        else:
            yield f"{prefix}.{step}", str(child.get("type", "object"))


def is_current(mapping: Mappings, contract: IndexContract) -> bool:
    """Return whether a mapping has everything that the contract's mapping has."""
    return _contains(mapping, contract.mapping())


def _contains(actual: Any, required: Any) -> bool:
    if isinstance(required, Mapping):
        return isinstance(actual, Mapping) and all(
            key in actual and _contains(actual[key], value)
            for key, value in required.items()
            if (key, value) != ("type", "object")  # Elasticsearch leaves this default out
        )
    if isinstance(required, bool):
        return str(actual).lower() == str(required).lower()
    return bool(actual == required)


def obstacle_of(state: IndexState) -> Obstacle | None:
    """Return why an index cannot be used as it is; None if it can, or needs only new fields or its alias."""
    if state.data_stream:
        return Obstacle(
            state.data_stream,
            f"a data stream has a name of {state.contract.name}",
            f"copy what you need, delete it (DELETE /_data_stream/{state.data_stream}), and run setup again",
        )
    if state.alias_of:
        return Obstacle(state.name, f"it is an alias of {state.alias_of}, and the agent needs an index of this name")
    if state.is_copy:
        return Obstacle(name_of_original(state.contract, state.name), "its repair was interrupted")
    if state.has_name_of_alias:
        return Obstacle(state.name, NAME_OF_ALIAS)
    if state.closed:
        return Obstacle(state.name, "it is closed, so every search over its alias fails")
    differences = conflicts(state.mapping, state.contract)
    if state.read_only and (differences or state.lacks_alias or not is_current(state.mapping, state.contract)):
        return Obstacle(
            state.name,
            f"it cannot be brought up to date, because it is read-only ({state.read_only})",
            f'free disk space if it is low, then PUT /{state.name}/_settings {{"{state.read_only}": null}}',
        )
    if differences:
        return Obstacle(state.name, in_short(differences))
    return None


def in_short(differences: Sequence[str]) -> str:
    """Return the first of many differences.

    >>> in_short(["a is text, not keyword", "b is long, not date"])
    'a is text, not keyword; b is long, not date'
    """
    rest = len(differences) - FIELDS_IN_MESSAGE
    return "; ".join(differences[:FIELDS_IN_MESSAGE]) + (f"; and {rest} more fields" if rest > 0 else "")


def obstacles_of(states: Iterable[IndexState]) -> list[Obstacle]:
    """Return the obstacles of indices, one for each name."""
    by_name: dict[str, Obstacle] = {}
    for state in states:
        obstacle = obstacle_of(state)
        if obstacle is not None:
            by_name.setdefault(obstacle.name, obstacle)
    return list(by_name.values())


def read_states(gateway: Gateway, names: ClientNames | None = None) -> list[IndexState]:
    """Return every index with a name of the product, closed ones and unfinished copies included.

    Parameters
    ----------
    names : names of clients that the indices must have as fields.

    Raises
    ------
    ElasticsearchError
        If Elasticsearch does not return them.
    """
    patterns = _names()
    resolved = gateway.call(
        "list indices",
        lambda client: (
            client.indices.resolve_index(name=patterns, expand_wildcards="all", ignore_unavailable=True).body
        ),
    )
    closed = {entry["name"] for entry in resolved["indices"] if "closed" in entry["attributes"]}
    indices = gateway.call(
        "read indices",
        lambda client: (
            client.indices.get(
                index=patterns,
                expand_wildcards="all",
                ignore_unavailable=True,
                allow_no_indices=True,
                flat_settings=True,
                features=["aliases", "mappings", "settings"],
            ).body
        ),
    )
    states = [state for name, index in indices.items() for state in _states(name, index, closed=name in closed)]
    configured = [replace(state, contract=state.contract.with_names(names or {})) for state in states]
    return sorted(configured, key=lambda state: state.name)


def _states(name: str, index: Mapping[str, Any], *, closed: bool) -> Iterator[IndexState]:
    """Yield the state of an index, and one for each alias of it that has the name of an index of the product."""
    stream = index.get("data_stream", "")
    for candidate in (name, *index["aliases"]):
        contract = contract_of(stream if stream and candidate == name else candidate)
        if contract is None or (candidate != name and candidate == contract.alias):
            continue
        yield IndexState(
            name=candidate,
            contract=contract,
            mapping=index["mappings"],
            aliases=frozenset(index["aliases"]),
            uuid=index["settings"]["index.uuid"],
            closed=closed,
            data_stream=stream,
            read_only=next((name for name in READ_ONLY if index["settings"].get(name) == "true"), ""),
            alias_of="" if candidate == name else name,
        )


def _names() -> list[str]:
    return sorted(
        {name for item in CONTRACTS for name in (item.pattern, item.alias, f"{item.name}{COPY_MARK}*")},
    )


def contract_of(name: str) -> IndexContract | None:
    """Return the contract that an index belongs to by its name; None if it belongs to none."""
    for contract in CONTRACTS:
        if name == contract.alias or fnmatchcase(name, contract.pattern):
            return contract
        if name.startswith(f"{contract.name}{COPY_MARK}"):
            return contract
    return None


def stronger_templates(templates: Iterable[Mapping[str, Any]], now: datetime) -> list[Obstacle]:
    """Return the index templates of others that new indices of the product would get, with another mapping.

    Parameters
    ----------
    templates : as Elasticsearch lists them.
    now : the time of the new indices.
    """
    obstacles = []
    for entry in templates:
        body = entry["index_template"]
        if entry["name"] in {contract.name for contract in CONTRACTS} or body.get("priority", 0) <= TEMPLATE_PRIORITY:
            continue
        for contract in CONTRACTS:
            name = contract.index_for(now)
            if any(fnmatchcase(name, pattern) for pattern in body["index_patterns"]) and not _agrees(body, contract):
                obstacles.append(
                    Obstacle(
                        f"the index template {entry['name']}",
                        f"it has a higher priority than the template {contract.name}, so new indices get its mapping",
                        f"give it a priority below {TEMPLATE_PRIORITY}, or other patterns, and run setup again",
                    )
                )
                break
    return obstacles


def outdated_templates(templates: Iterable[Mapping[str, Any]], names: ClientNames) -> list[str]:
    """Return the names of installed index templates that this version would install with other mappings or aliases.

    Parameters
    ----------
    templates : as Elasticsearch lists them.
    names : names of clients that the templates must have as fields.
    """
    installed = {entry["name"]: entry["index_template"] for entry in templates}
    return [
        contract.name
        for contract in CONTRACTS
        if contract.name in installed and not _agrees(installed[contract.name], contract.with_names(names))
    ]


def _agrees(installed: Mapping[str, Any], contract: IndexContract) -> bool:
    """Return whether an index template has the mapping and the alias of the contract."""
    actual, template = installed.get("template", {}), contract.template()["template"]
    return _contains(actual.get("mappings", {}), template["mappings"]) and set(template["aliases"]) <= set(
        actual.get("aliases", {})
    )
