"""Whether `monitor-agent setup` has run on a cluster: templates that are missing, indices without their alias."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monitor_agent.contracts.catalogue import CONTRACTS
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.errors import ElasticsearchError, NotSetUpError
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.obstacles import COPY_MARK, contract_of
from monitor_agent.es.responses import is_not_allowed
from monitor_agent.es.rights import setup_remedy

_PATTERNS = "index_templates.index_template.index_patterns"
NAMES_IN_MESSAGE = 3


def require_setup(gateway: Gateway, segments: Sequence[str]) -> list[str]:
    """Return warnings about indices and labels that the agent does not see, each as one line with its remedy.

    A user who may not read templates gets no error and no warning.

    Parameters
    ----------
    segments : the labels that metrics are split by.

    Raises
    ------
    NotSetUpError
        If an index template is missing.
    ElasticsearchError
        If there is no answer.
    """
    try:
        missing = missing_templates(index_templates(gateway, _PATTERNS))
        if missing:
            raise NotSetUpError(_missing_text(missing), setup_remedy(gateway))
        warnings = [
            *(f"the agent does not see {name}, which lacks the alias {alias}" for name, alias in hidden(gateway)),
            *(
                f"the index templates do not have the label {label} of MONITOR_SEGMENTS"
                for label in unmapped_labels(gateway, segments)
            ),
        ]
        remedy = setup_remedy(gateway) if warnings else ""
        return [f"{warning}: {remedy}" for warning in warnings]
    except ElasticsearchError as error:
        if is_not_allowed(error):
            return []
        raise


def index_templates(gateway: Gateway, fields: str = "") -> list[dict[str, Any]]:
    """Return the index templates of the cluster, as `GET _index_template` lists them.

    Parameters
    ----------
    fields : the part of the response that is needed (`filter_path`); "" = all of it.

    Raises
    ------
    ElasticsearchError
        If Elasticsearch does not return them.
    """
    response = gateway.call(
        "read index templates",
        lambda client: client.indices.get_index_template(filter_path=fields or None).body,
    )
    templates: list[dict[str, Any]] = response.get("index_templates", [])
    return templates


def missing_templates(templates: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of the contracts for which there is no index template, of whatever name."""
    patterns = [pattern for entry in templates for pattern in entry["index_template"]["index_patterns"]]
    return [contract.name for contract in CONTRACTS if not contract.has_template(patterns)]


def unmapped_labels(gateway: Gateway, labels: Sequence[str]) -> list[str]:
    """Return the labels that new indices of predictions do not make searchable; none if the template has another name.

    Raises
    ------
    ElasticsearchError
        If Elasticsearch does not return the template.
    """
    response = gateway.call(
        "read the index template of predictions",
        lambda client: client.options(ignore_status=404).indices.get_index_template(name=PREDICTIONS.name).body,
    )
    mappings = [entry["index_template"]["template"]["mappings"] for entry in response.get("index_templates", [])]
    return [label for label in labels for mapping in mappings if not _has_field(mapping, f"labels.{label}")]


def _has_field(mapping: Mapping[str, Any], name: str) -> bool:
    node: Any = mapping
    for step in name.split("."):
        node = node.get("properties", {}).get(step, {})
    return bool(node)


def hidden(gateway: Gateway) -> list[tuple[str, str]]:
    """Return (index, missing alias) of each index that searches over the alias do not find.

    Raises
    ------
    ElasticsearchError
        If Elasticsearch does not return them.
    """
    patterns = sorted({name for item in CONTRACTS if item.suffix for name in (item.pattern, item.alias)})
    response = gateway.call(
        "read aliases",
        lambda client: client.indices.get_alias(index=patterns, ignore_unavailable=True, allow_no_indices=True).body,
    )
    pairs = []
    for name, index in sorted(response.items()):
        contract = contract_of(name)
        if contract is not None and COPY_MARK not in name and contract.alias not in index["aliases"]:
            pairs.append((name, contract.alias))
    return pairs


def _missing_text(missing: list[str]) -> str:
    if len(missing) == len(CONTRACTS):
        return "Elasticsearch has none of the index templates"
    rest = len(missing) - NAMES_IN_MESSAGE
    names = ", ".join(missing[:NAMES_IN_MESSAGE]) + (f" and {rest} more" if rest > 0 else "")
    return f"Elasticsearch lacks the index templates {names}"
