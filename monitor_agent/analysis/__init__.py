"""Tables for analysts: stored metrics, curves and predictions with their labels, as Arrow tables.

>>> from monitor_agent import analysis
>>> table = analysis.metrics("2026-11-23", "2026-11-24", window="1h", model="click")  # doctest: +SKIP
>>> frame = table.to_pandas()  # doctest: +SKIP

The functions read the Elasticsearch of the settings: the environment, or `settings`. They never write.
"""

from __future__ import annotations

from monitor_agent.analysis.reading import curves, metrics, predictions

__all__ = ["curves", "metrics", "predictions"]
