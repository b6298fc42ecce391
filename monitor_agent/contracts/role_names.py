"""The names of the roles; apart from their privileges, so that a command names a role and loads no metrics."""

from __future__ import annotations

PIPELINE_WRITER = "pipeline_writer"
MONITOR_AGENT = "monitor_agent"
MONITOR_SETUP = "monitor_setup"
ANALYST = "analyst"
ALERT_OPERATOR = "alert_operator"
DEADLETTER_READER = "deadletter_reader"
