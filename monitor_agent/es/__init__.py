"""Elasticsearch as the agent uses it: the only room that imports the client."""
