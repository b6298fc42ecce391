"""Tests of `monitor_agent.kibana`."""
