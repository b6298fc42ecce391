"""The examples in the docstrings of every metric."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

from monitor_agent import metrics

MODULES = [metrics.__name__, *(found.name for found in pkgutil.walk_packages(metrics.__path__, f"{metrics.__name__}."))]


@pytest.mark.parametrize("name", MODULES)
def test_examples_hold(name: str) -> None:
    """What a docstring shows is what the code answers."""
    assert doctest.testmod(importlib.import_module(name)).failed == 0
