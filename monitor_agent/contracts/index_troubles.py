"""Errors of Elasticsearch that concern an index or the cluster, not a document: what they mean, and the remedy."""

from __future__ import annotations

import re
from dataclasses import dataclass

_BLOCK = re.compile(r"\[(?P<status>[A-Z_]+)/(?P<number>\d+)/(?P<name>[^\]]*)\]")
_INDEX_BLOCKS = {5: "read_only", 7: "read", 8: "write", 9: "metadata", 12: "read_only_allow_delete"}
BLOCK_TYPE = "cluster_block_exception"
_CLUSTER_BLOCKS = {6: "read_only", 13: "read_only_allow_delete"}
_CLOSED_BLOCKS = (4, 14)
_FLOOD = "a disk of the cluster is nearly full: free disk space, and Elasticsearch removes the block itself; or"
_LONGEST_REASON = 300
_TYPED_FIELD = re.compile(r"field \[[A-Za-z0-9_.-]{1,100}\] of type \[[a-z_]+\]")


@dataclass(frozen=True)
class IndexTrouble:
    """Why an index, or the whole cluster, takes no documents.

    Attributes
    ----------
    label : two or three words, for counts.
    state : what is wrong, with the name of the index.
    remedy : what the user must do.
    """

    label: str
    state: str
    remedy: str

    @property
    def message(self) -> str:
        """Return state and remedy in one line."""
        return f"{self.state}: {self.remedy}"


_PATTERNS: tuple[tuple[str, str, str, str], ...] = (
    (
        "shard limit",
        r"maximum .*shards open",
        "cannot be created, because the cluster has as many shards as it may have",
        "delete old indices, or raise cluster.max_shards_per_node by PUT _cluster/settings",
    ),
    (
        "not created",
        r"^index_not_found_exception",
        "does not exist, and the cluster does not create it",
        "allow it in the cluster setting action.auto_create_index, or create the index",
    ),
    (
        "no write index",
        r"no write index is defined for alias",
        "is an alias without a write index",
        "set is_write_index for one index of this alias by POST _aliases",
    ),
    (
        "full",
        r"number of documents in the (?:index|shard) can",
        "has as many documents as an index can have",
        "let the pipeline write to another index",
    ),
    (
        "no ingest pipeline",
        r"pipeline with id .* does not exist",
        "names an ingest pipeline that does not exist",
        "create the ingest pipeline, or remove index.default_pipeline and index.final_pipeline",
    ),
    (
        "closed",
        r"^index_closed_exception",
        "is closed",
        "open it by POST {index}/_open",
    ),
    (
        "no active shard",
        r"^(?:unavailable_shards_exception|no_shard_available_action_exception)",
        "has no active primary shard",
        "see GET _cluster/allocation/explain",
    ),
)
"""Label, pattern of `type: reason`, what is wrong with the index, remedy."""

_COMPILED = tuple((label, re.compile(pattern), state, remedy) for label, pattern, state, remedy in _PATTERNS)


def index_trouble(index: str, reason: str) -> IndexTrouble | None:
    """Return why an index takes no documents; None if the document, or the whole cluster, is the cause.

    Parameters
    ----------
    reason : `TYPE: REASON` of the error.

    >>> trouble = index_trouble("a-1", "cluster_block_exception: index [a-1] blocked by: [FORBIDDEN/8/index write];")
    >>> trouble.remedy
    'remove index.blocks.write by PUT a-1/_settings {"index.blocks.write": null}'
    """
    if reason.startswith(BLOCK_TYPE):
        return None if _is_cluster_wide(reason) else _blocked(index, reason)
    for label, pattern, state, remedy in _COMPILED:
        if pattern.search(reason):
            return IndexTrouble(label, f"index {index} {state} ({shortened(reason)})", remedy.format(index=index))
    return None


def cluster_trouble(reason: str) -> IndexTrouble | None:
    """Return why the whole cluster takes no documents, if somebody has blocked it."""
    for _, number, _ in _BLOCK.findall(reason) if reason.startswith(BLOCK_TYPE) else ():
        if int(number) in _CLUSTER_BLOCKS:
            name = f"cluster.blocks.{_CLUSTER_BLOCKS[int(number)]}"
            remedy = f'remove {name} by PUT _cluster/settings {{"persistent": {{"{name}": null}}}}'
            return IndexTrouble("cluster blocked", f"the cluster is blocked by {_blocks_text(reason)}", remedy)
    return None


def without_values(reason: str) -> str:
    """Return why Elasticsearch has refused a document, for a log: without the values that the reason quotes.

    The dead letter of the document has the whole reason.

    >>> without_values("document_parsing_exception: [1:9] failed to parse field [labels.scene] of type [long] in docu"
    ... "ment with id 'a'. Preview of field's value: 'Ada' (illegal_argument_exception: For input string: 'Ada')")
    'document_parsing_exception: field [labels.scene] of type [long]'
    """
    kind = reason.partition(":")[0]
    typed = _TYPED_FIELD.search(reason)
    return f"{kind}: {typed[0]}" if typed else kind


def shortened(reason: str) -> str:
    """Return a reason without the documents that some errors quote, and not too long."""
    reason = reason.split(", request: [")[0]
    return reason if len(reason) <= _LONGEST_REASON else f"{reason[:_LONGEST_REASON]}..."


def _is_cluster_wide(reason: str) -> bool:
    return "index [" not in reason.partition("blocked by")[0] and not any(
        int(number) in _INDEX_BLOCKS for _, number, _ in _BLOCK.findall(reason)
    )


def _blocked(index: str, reason: str) -> IndexTrouble:
    numbers = [int(number) for _, number, _ in _BLOCK.findall(reason)]
    state = f"index {index} is blocked by {_blocks_text(reason)}"
    if any(number in _CLOSED_BLOCKS for number in numbers):
        return IndexTrouble("closed", state, f"open it by POST {index}/_open")
    names = [_INDEX_BLOCKS[number] for number in numbers if number in _INDEX_BLOCKS]
    if not names:
        return IndexTrouble("blocked", state, "remove the block")
    settings = ", ".join(f'"index.blocks.{name}": null' for name in names)
    texts = " and ".join(f"index.blocks.{name}" for name in names)
    flood = f"{_FLOOD} " if "read_only_allow_delete" in names else ""
    return IndexTrouble(
        f"blocked: {', '.join(names)}", state, f"{flood}remove {texts} by PUT {index}/_settings {{{settings}}}"
    )


def _blocks_text(reason: str) -> str:
    return ", ".join(f"[{status}/{number}/{name}]" for status, number, name in _BLOCK.findall(reason)) or reason
