"""The examples in the docstrings of the pure rooms."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

from monitor_agent import pipeline

MODULES = [
    *(found.name for found in pkgutil.walk_packages(pipeline.__path__, f"{pipeline.__name__}.")),
    "monitor_agent.cli._output",
    "monitor_agent.contracts.uuid7",
    "monitor_agent.es.retry",
    "monitor_agent.agent.exposition",
    "monitor_agent.settings",
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_hold(name: str) -> None:
    """What a docstring shows is what the code answers."""
    assert doctest.testmod(importlib.import_module(name)).failed == 0
