"""Alerts: their definitions, their evaluation, and the firings; needs neither Kibana nor Watcher."""
