"""Requests that are made of `/openapi.json`, right and wrong ones, on every route: no failure, no undocumented answer."""

from __future__ import annotations

from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.generation import GenerationMode

from tests.foreign_models import models
from tests.served_models import serving

MODELS = models()
EXAMPLES = 15


@pytest.mark.parametrize("name", ["a matrix of floats", "bert by its new names, int64", "one text", "named columns"])
def test_no_request_makes_the_server_fail(name: str, tmp_path: Path) -> None:
    """The answers have the statuses and the types that the description gives."""
    with serving(tmp_path, MODELS[name]) as client:
        schema = schemathesis.openapi.from_wsgi("/openapi.json", client.app)
        for result in schema.get_all_operations():
            operation = result.ok()
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

                @seed(20261129)
                @settings(
                    max_examples=EXAMPLES,
                    deadline=None,
                    database=None,
                    phases=[Phase.generate],
                    suppress_health_check=list(HealthCheck),
                )
                @given(case=operation.as_strategy(generation_mode=mode))
                def send(case: schemathesis.Case) -> None:
                    case.call_and_validate()

                send()
