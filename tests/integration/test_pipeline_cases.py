"""The golden cases of the pipeline: CASE.log gives the documents of CASE.expected.json, with index and id.

`scripts/run_cases_with_logstash.py` runs the same cases through a real Logstash.
"""

from __future__ import annotations

import dataclasses
import runpy
from pathlib import Path
from typing import Any

import pytest

from tests.pipelines import ROOT, PipelineSandbox
from tests.stand_in import Faults, StandIn
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("frequent_statistics")
SCRIPT = runpy.run_path(str(ROOT / "scripts/run_cases_with_logstash.py"))
CASES: Path = SCRIPT["CASES"]


def documents_of(log: Path, stand_in: StandIn, sandbox: PipelineSandbox) -> list[dict[str, Any]]:
    """Return what the pipeline makes of the lines of a file."""
    copy = sandbox.logs / f"{log.stem}.ndjson"
    sandbox.logs.mkdir()
    copy.write_bytes(log.read_bytes())
    with sandbox.running():
        wait_until(lambda: sandbox.statistics().get("delivered"))
    documents = [
        {"_index": index, "_id": identifier, "_source": source}
        for (index, identifier), source in stand_in.documents.items()
    ]
    actual: list[dict[str, Any]] = SCRIPT["comparable"](documents, str(copy), "host-1")
    return actual


@pytest.mark.parametrize("name", SCRIPT["case_names"]())
def test_a_case_gives_the_expected_documents(name: str, stand_in: StandIn, sandbox: PipelineSandbox) -> None:
    """The embedded runner makes the same documents of these lines as a real Logstash, or those that the case names."""
    sandbox = dataclasses.replace(sandbox, variables=SCRIPT["variables_of"](name))

    actual = documents_of(CASES / f"{name}.log", stand_in, sandbox)

    assert SCRIPT["text"](actual) == SCRIPT["text"](SCRIPT["expected"](name, "runner"))


def test_a_refused_document_gives_the_expected_dead_letter(stand_in: StandIn, sandbox: PipelineSandbox) -> None:
    """What Elasticsearch refuses becomes the dead letter that the dead-letter pipeline of a real Logstash makes."""
    stand_in.faults = Faults(refused=b'"labels":{"refuse":')

    actual = documents_of(CASES / "elasticsearch" / "refused.log", stand_in, sandbox)

    assert SCRIPT["text"](actual) == SCRIPT["text"](SCRIPT["expected"]("elasticsearch/refused"))
