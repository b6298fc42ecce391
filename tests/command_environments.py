"""The variables that let commands of a test's process use a cluster."""

from __future__ import annotations

from pathlib import Path

from tests.cluster import Cluster


def analyst_variables(cluster: Cluster) -> dict[str, str]:
    """Return the variables of somebody who reads."""
    user = "analyst" if "analyst" in cluster.users else cluster.admin
    return {
        "ELASTICSEARCH_URL": cluster.url,
        "ELASTICSEARCH_USERNAME": user,
        "ELASTICSEARCH_PASSWORD": cluster.users[user],
    }


def import_variables(cluster: Cluster, folder: Path) -> dict[str, str]:
    """Return the variables of somebody who imports tables; `folder` is for the state of the pipeline."""
    return {
        "ELASTICSEARCH_URL": cluster.url,
        "ELASTICSEARCH_USERNAME": "monitor_agent",
        "ELASTICSEARCH_PASSWORD": cluster.users["monitor_agent"],
        "PIPELINE_USERNAME": "pipeline_writer",
        "PIPELINE_PASSWORD": cluster.users["pipeline_writer"],
        "PIPELINE_DATA_DIR": str(folder / "pipeline"),
        "MODEL_LOG_DIR": str(folder / "log"),
    }
