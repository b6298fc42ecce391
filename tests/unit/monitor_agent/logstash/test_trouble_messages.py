"""An error about an index or the cluster is reported with its name and with the command that repairs it."""

from __future__ import annotations

import pytest

from monitor_agent.logstash.delivery.trouble_messages import general_trouble, index_trouble

BLOCKED = "cluster_block_exception: index [a-1] blocked by: "


@pytest.mark.parametrize(
    ("status", "reason", "label", "remedy"),
    [
        (403, f"{BLOCKED}[FORBIDDEN/8/index write (api)];", "blocked: write", '{"index.blocks.write": null}'),
        (
            403,
            f"{BLOCKED}[FORBIDDEN/5/index read-only (api)];",
            "blocked: read_only",
            '{"index.blocks.read_only": null}',
        ),
        (403, f"{BLOCKED}[FORBIDDEN/9/index metadata (api)];", "blocked: metadata", '{"index.blocks.metadata": null}'),
        (
            429,
            f"{BLOCKED}[TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, see https://x?version=9.5];",
            "blocked: read_only_allow_delete",
            "free disk space, and Elasticsearch removes the block itself",
        ),
        (403, f"{BLOCKED}[FORBIDDEN/4/index closed];", "closed", "POST a-1/_open"),
        (400, "index_closed_exception: closed", "closed", "POST a-1/_open"),
        (403, f"{BLOCKED}[FORBIDDEN/99/new in a later version];", "blocked", "remove the block"),
        (
            503,
            "unavailable_shards_exception: [a-1][0] primary, request: [secret]",
            "no active shard",
            "allocation/explain",
        ),
        (403, "security_exception: action is unauthorized", "no rights", "PIPELINE_USERNAME"),
    ],
)
def test_an_index_that_takes_nothing(status: int, reason: str, label: str, remedy: str) -> None:
    """The index, the block and the remedy; credentials are named only if the rights are the cause."""
    trouble = index_trouble("a-1", status, reason)

    assert trouble is not None
    assert trouble.label == label
    assert "a-1" in trouble.message
    assert remedy in trouble.message
    assert ("PIPELINE" in trouble.message) == (label == "no rights")
    assert "secret" not in trouble.message


@pytest.mark.parametrize(
    ("status", "reason", "text"),
    [
        (
            403,
            "cluster_block_exception: blocked by: [FORBIDDEN/6/cluster read-only (api)];",
            "remove cluster.blocks.read_only",
        ),
        (
            503,
            "cluster_block_exception: blocked by: [SERVICE_UNAVAILABLE/1/state not recovered];",
            "takes no documents now",
        ),
        (429, "circuit_breaking_exception: [parent] Data too large", "takes no documents now"),
        (401, "security_exception: unable to authenticate", "check PIPELINE_USERNAME"),
    ],
)
def test_a_trouble_of_the_whole_cluster(status: int, reason: str, text: str) -> None:
    """It concerns no index alone, so its documents are not parked."""
    assert text in general_trouble(status, reason)
    if status != 401:
        assert index_trouble("a-1", status, reason) is None
