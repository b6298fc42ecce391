"""Two weeks of three models with planted trouble: a broken version, an outage, slow answers, lost lines."""
