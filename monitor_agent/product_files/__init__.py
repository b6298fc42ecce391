"""The files of the product that are no code: the pipeline, the saved objects and the alerts.

In the repository, the folders in here are links to `logstash/` and `kibana/`, so each file is there once. The wheel and
the source archive have the files themselves. All code finds the files by these constants, never by the working folder:
a setting that names other files (`PIPELINE_CONFIG`, `KIBANA_FOLDER`, `MONITOR_ALERTS`) comes first, these come second.
"""

from __future__ import annotations

from pathlib import Path

ROOM = Path(__file__).parent.resolve()
LOGSTASH = ROOM / "logstash"
"""`pipeline/` and `config/`; the embedded runner needs only `pipeline/`, a Logstash also `config/`."""
PIPELINE = (LOGSTASH / "pipeline").resolve()
"""The configuration of the pipeline."""
KIBANA = (ROOM / "kibana").resolve()
"""`objects/`, `watches/`, `rules/`, `alerts.toml` and `model-monitoring.ndjson`."""
ALERTS = KIBANA / "alerts.toml"
"""The list of alerts."""


def are_sources() -> bool:
    """Return whether these are the files of a repository, which people edit there; an installation's are left alone."""
    return not KIBANA.is_relative_to(ROOM)
