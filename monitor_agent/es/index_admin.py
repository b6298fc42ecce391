"""Whole indices: created, cloned, blocked, counted and deleted, each by one request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from elasticsearch import ApiError

from monitor_agent.contracts.index_contract import IndexContract
from monitor_agent.errors import ElasticsearchError
from monitor_agent.es.gateway import Gateway

_WRITE_BLOCK = "index.blocks.write"
_EXISTS = "resource_already_exists_exception"


class IndexAdmin:
    """The indices of one Elasticsearch."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def exists(self, name: str) -> bool:
        """Return whether there is an index, or an alias, of this name."""
        return bool(self._gateway.call(f"look for {name}", lambda client: client.indices.exists(index=name).body))

    def is_closed(self, name: str) -> bool:
        """Return whether the index is closed."""
        resolved = self._gateway.call(
            f"look for {name}",
            lambda client: (
                client.indices.resolve_index(name=name, expand_wildcards="all", ignore_unavailable=True).body
            ),
        )
        return any("closed" in entry["attributes"] for entry in resolved["indices"])

    def open(self, name: str) -> None:
        """Open a closed index, and return when it can be searched."""
        self._gateway.call(
            f"open {name}", lambda client: client.indices.open(index=name, wait_for_active_shards=1).body
        )

    def count(self, name: str) -> int:
        """Return the number of documents that searches find."""
        response = self._gateway.search(name, {"size": 0, "track_total_hits": True})
        return int(response["hits"]["total"]["value"])

    def refresh(self, name: str) -> None:
        """Make all documents visible to searches."""
        self._gateway.refresh([name])

    def uuid(self, name: str) -> str:
        """Return Elasticsearch's id of the index; a new index of the same name has another one."""
        response = self._gateway.call(
            f"read the settings of {name}",
            lambda client: client.indices.get_settings(index=name, name="index.uuid", flat_settings=True).body,
        )
        return str(next(iter(response.values()))["settings"]["index.uuid"])

    def marks(self, name: str) -> dict[str, str]:
        """Return the metadata (`_meta`) of the index's mapping."""
        response = self._gateway.call(
            f"read the mapping of {name}", lambda client: client.indices.get_mapping(index=name).body
        )
        marks: dict[str, str] = next(iter(response.values()))["mappings"].get("_meta", {})
        return marks

    def put_mapping(self, name: str, mapping: Mapping[str, Any]) -> None:
        """Extend the index's mapping."""
        self._gateway.call(
            f"write the mapping of {name}",
            lambda client: client.indices.put_mapping(index=name, body=dict(mapping)).body,
        )

    def template_settings(self, contract: IndexContract) -> dict[str, Any]:
        """Return the settings that the installed template gives new indices, such as the lifecycle policy."""
        response = self._gateway.call(
            f"read the index template {contract.name}",
            lambda client: client.indices.get_index_template(name=contract.name, flat_settings=True).body,
        )
        settings: dict[str, Any] = response["index_templates"][0]["index_template"]["template"].get("settings", {})
        return settings

    def create(self, name: str, settings: Mapping[str, Any], mapping: Mapping[str, Any]) -> None:
        """Create an index; one that exists already is no error."""
        self._unless_exists(
            f"create {name}",
            lambda client: client.indices.create(index=name, settings=dict(settings), mappings=dict(mapping)).body,
        )

    def clone(self, source: str, target: str, settings: Mapping[str, Any], aliases: Sequence[str]) -> bool:
        """Clone an index that has a write block; return whether the clone is there, not another index of that name."""
        self._unless_exists(
            f"clone {source}",
            lambda client: (
                client.indices.clone(
                    index=source,
                    target=target,
                    settings={**settings, _WRITE_BLOCK: None},
                    aliases={alias: {} for alias in aliases},
                ).body
            ),
        )
        return self.marks(target).get("copy") == self.marks(source).get("copy")

    def block_writes(self, name: str) -> None:
        """Refuse writes from now on; those on their way are done when this returns."""
        self._gateway.call(
            f"block writes to {name}", lambda client: client.indices.add_block(index=name, block="write").body
        )

    def unblock_writes(self, name: str) -> None:
        """Allow writes again."""
        self._gateway.call(
            f"allow writes to {name}",
            lambda client: client.indices.put_settings(index=name, settings={_WRITE_BLOCK: None}).body,
        )

    def delete(self, name: str) -> None:
        """Delete an index; one that does not exist is no error."""
        self._gateway.delete([name])

    def delete_alias(self, index: str, name: str) -> None:
        """Delete an alias of an index."""
        self._gateway.call(
            f"delete the alias {name}",
            lambda client: client.options(ignore_status=404).indices.delete_alias(index=index, name=name).body,
        )

    def _unless_exists(self, purpose: str, request: Any) -> None:
        try:
            self._gateway.call(purpose, request)
        except ElasticsearchError as error:
            if not (isinstance(error.__cause__, ApiError) and _EXISTS in error.message):
                raise
