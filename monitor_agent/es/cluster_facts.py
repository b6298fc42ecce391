"""What a cluster says about itself: its health, its nodes and their disks, its user's privileges."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from elasticsearch import ApiError

from monitor_agent.errors import ElasticsearchError
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.responses import FOREIGN
from monitor_agent.http_client.failures import CHECK_PROXY

_SECURITY_IS_OFF = (400, 404, 405, 500)
_DISK = "cluster.routing.allocation.disk."


@dataclass(frozen=True)
class NodeFacts:
    """One node.

    Attributes
    ----------
    name, version : of the node.
    total, available : bytes of its disks.
    """

    name: str
    version: str
    total: int
    available: int


@dataclass(frozen=True)
class ClusterFacts:
    """A cluster.

    Attributes
    ----------
    name : of the cluster.
    status : `green`, `yellow` or `red`.
    nodes : its nodes.
    clock_ahead : seconds by which its clock is ahead of ours.
    clock_error : how far that may be wrong: the duration of the request.
    watermarks : the settings of its disk watermarks, by the last part of their names.
    """

    name: str
    status: str
    nodes: tuple[NodeFacts, ...]
    clock_ahead: float
    clock_error: float
    watermarks: Mapping[str, str]


def read_cluster(gateway: Gateway, now: Callable[[], float] = time.time) -> ClusterFacts:
    """Return what the cluster says about itself.

    Raises
    ------
    ElasticsearchError
        If it does not answer, or refuses, or another server answers in its place.
    """
    try:
        return _read_cluster(gateway, now)
    except (KeyError, TypeError, AttributeError) as error:  # JSON of another shape, from a proxy or another product
        raise ElasticsearchError(f"read the cluster: {FOREIGN}: it lacks {error}", CHECK_PROXY) from error


def _read_cluster(gateway: Gateway, now: Callable[[], float]) -> ClusterFacts:
    health = gateway.call("read the health", lambda client: client.cluster.health().body)
    info = gateway.call("read the nodes", lambda client: client.nodes.info(filter_path="nodes.*.version").body)
    before = now()
    stats = gateway.call("read the disks", lambda client: client.nodes.stats(metric="fs").body)
    after = now()
    settings = gateway.call(
        "read the settings",
        lambda client: client.cluster.get_settings(include_defaults=True, flat_settings=True).body,
    )
    nodes = tuple(
        NodeFacts(
            name=node["name"],
            version=info["nodes"].get(identifier, {}).get("version", ""),
            total=node["fs"]["total"]["total_in_bytes"],
            available=node["fs"]["total"]["available_in_bytes"],
        )
        for identifier, node in stats["nodes"].items()
    )
    stamps = [node["timestamp"] / 1000 for node in stats["nodes"].values()]
    furthest = max((stamp - (before + after) / 2 for stamp in stamps), key=abs, default=0.0)
    merged = {**settings.get("defaults", {}), **settings["persistent"], **settings["transient"]}
    return ClusterFacts(
        name=health["cluster_name"],
        status=health["status"],
        nodes=nodes,
        clock_ahead=furthest,
        clock_error=(after - before) / 2,
        watermarks={name.removeprefix(_DISK): str(value) for name, value in merged.items() if name.startswith(_DISK)},
    )


def missing_privileges(gateway: Gateway, role: Mapping[str, Any]) -> tuple[str, list[str]] | None:
    """Return the user and the privileges of a role that the user lacks; None if the cluster has no security.

    Raises
    ------
    ElasticsearchError
        If the cluster does not answer, or refuses the user.
    """
    body = {
        "cluster": role["cluster"],
        "index": [{"names": entry["names"], "privileges": entry["privileges"]} for entry in role["indices"]],
    }
    try:
        answer = gateway.call("read the privileges", lambda client: client.security.has_privileges(body=body).body)
    except ElasticsearchError as error:
        if isinstance(error.__cause__, ApiError) and error.__cause__.meta.status in _SECURITY_IS_OFF:
            return None
        raise
    lacking = [name for name, granted in answer["cluster"].items() if not granted]
    for pattern, privileges in answer["index"].items():
        names = [name for name, granted in privileges.items() if not granted]
        if names:
            lacking.append(f"{', '.join(names)} on {pattern}")
    return str(answer["username"]), lacking


def without_dates(lacking: Sequence[str]) -> list[str]:
    """Return missing privileges for a message: those on an alias stand for those on its dated indices.

    >>> without_dates(["read on model-errors", "read on model-errors-????.??.??"])
    ['read on model-errors']
    """
    return [privilege for privilege in lacking if "?" not in privilege] or list(lacking)
