"""The golden cases beside the pipeline: what is in CASE.log gives what CASE.expected.json says, index and id included.

`scripts/run_cases_with_logstash.py` runs the same cases through a real Logstash.
"""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor_agent.stack.embedded.logstash import runner
from tests.pipelines import ROOT, Place, until
from tests.stand_in import StandIn

SCRIPT = runpy.run_path(str(ROOT / "scripts/run_cases_with_logstash.py"))


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """Yield an Elasticsearch; the runner writes its statistics often."""
    monkeypatch.setattr(runner, "STATISTICS_SECONDS", 0.05)
    with StandIn().serving() as serving:
        yield serving


@pytest.mark.parametrize("name", SCRIPT["case_names"]())
def test_a_case_gives_what_it_should(name: str, stand_in: StandIn, tmp_path: Path) -> None:
    """The embedded runner makes of these lines what a real Logstash makes of them."""
    place = Place(tmp_path, stand_in.url)
    log = place.logs / f"{name}.ndjson"
    place.logs.mkdir()
    log.write_bytes((SCRIPT["CASES"] / f"{name}.log").read_bytes())
    with place.running():
        until(lambda: place.statistics().get("delivered"))

    documents = [
        {"_index": index, "_id": identifier, "_source": source}
        for (index, identifier), source in stand_in.documents.items()
    ]
    found = SCRIPT["comparable"](documents, str(log), "host-1")
    assert found == SCRIPT["expected"](name)
