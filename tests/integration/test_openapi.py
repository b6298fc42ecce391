"""Requests made of `/openapi.json`, right and wrong ones, on every route: no failure, no undocumented answer."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.foreign_models import models
from tests.served_models import serving

MODELS = models()
EXAMPLES = 10
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
"""Nothing about refused or accepted bodies: `null` is an absent field, and a value may be in one of two places."""


@pytest.mark.parametrize("name", ["bert by its new names, int64", "named columns"])
def test_no_request_makes_the_server_fail(name: str, tmp_path: Path) -> None:
    """The answers have the statuses and the types that the description gives."""
    with serving(tmp_path, dataclasses.replace(MODELS[name], card={"max_seq_length": 4})) as client:
        schema = schemathesis.openapi.from_wsgi("/openapi.json", client.app)
        for result in schema.get_all_operations():
            operation = result.ok()
            modes = GenerationMode if operation.method == "post" else [GenerationMode.POSITIVE]
            for mode in modes:

                @seed(20261129)
                @settings(
                    max_examples=EXAMPLES,
                    deadline=None,
                    database=None,
                    phases=[Phase.generate],
                    suppress_health_check=list(HealthCheck),
                )
                @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
                def send(case: schemathesis.Case) -> None:
                    case.call_and_validate(checks=CHECKS)

                send()
