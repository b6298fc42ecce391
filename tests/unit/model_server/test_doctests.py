"""The examples in the docstrings of the model server."""

from __future__ import annotations

import doctest
import importlib

import pytest

MODULES = ["events", "json_object", "model_card", "models", "pseudonyms", "trace_context"]


@pytest.mark.parametrize("name", MODULES)
def test_examples_hold(name: str) -> None:
    """What a docstring shows is what the code answers."""
    result = doctest.testmod(importlib.import_module(f"model_server.{name}"))

    assert result.attempted > 0
    assert result.failed == 0
