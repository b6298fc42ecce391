"""The examples in the docstrings of the viewer."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

from monitor_agent import dashboards as kibana

MODULES = [found.name for found in pkgutil.walk_packages(kibana.__path__, f"{kibana.__name__}.")]


@pytest.mark.parametrize("name", MODULES)
def test_examples_hold(name: str) -> None:
    """What a docstring shows is what the code answers."""
    assert doctest.testmod(importlib.import_module(name)).failed == 0
