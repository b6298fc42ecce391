"""The golden cases of the pipeline: CASE.log gives the documents of CASE.expected.json, with index and id.

`scripts/run_cases_with_logstash.py` runs the same cases through a real Logstash.
"""

from __future__ import annotations

import runpy

import pytest

from tests.pipelines import ROOT, PipelineSandbox
from tests.stand_in import StandIn
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("frequent_statistics")
SCRIPT = runpy.run_path(str(ROOT / "scripts/run_cases_with_logstash.py"))


@pytest.mark.parametrize("name", SCRIPT["case_names"]())
def test_a_case_gives_the_expected_documents(name: str, stand_in: StandIn, sandbox: PipelineSandbox) -> None:
    """The embedded runner makes the same documents of these lines as a real Logstash."""
    log = sandbox.logs / f"{name}.ndjson"
    sandbox.logs.mkdir()
    log.write_bytes((SCRIPT["CASES"] / f"{name}.log").read_bytes())
    with sandbox.running():
        wait_until(lambda: sandbox.statistics().get("delivered"))

    documents = [
        {"_index": index, "_id": identifier, "_source": source}
        for (index, identifier), source in stand_in.documents.items()
    ]
    actual = SCRIPT["comparable"](documents, str(log), "host-1")
    assert actual == SCRIPT["expected"](name)
