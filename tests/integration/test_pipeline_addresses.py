"""The user of Elasticsearch's address is the pipeline's, as it is everybody else's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from monitor_agent.http_client.authorization import basic_authorization
from tests.factories import START, make_prediction
from tests.pipelines import PIPELINE, PipelineSandbox, stop
from tests.stand_in import StandIn
from tests.waiting import wait_until


@pytest.mark.parametrize("place", ["environment", "file"])
def test_a_user_in_the_address_needs_no_other_setting(tmp_path: Path, place: str) -> None:
    """`PIPELINE_PASSWORD` need not be set, and the password is in no log."""
    with StandIn().serving() as stand_in:
        url = f"http://shipper:S3cr%40t@127.0.0.1:{stand_in.port}"
        sandbox = PipelineSandbox(tmp_path, url)
        sandbox.append(make_prediction(START, 0.6))
        environ = {**os.environ, **sandbox.environ()}
        for name in ("PIPELINE_USERNAME", "PIPELINE_PASSWORD"):
            del environ[name]
        config = tmp_path / "monitor.toml"
        config.write_text("")
        if place == "file":
            config.write_text(f'[elasticsearch]\nurl = "{environ.pop("ELASTICSEARCH_URL")}"\n')
        command = [sys.executable, "-m", "monitor_agent", "--config", str(config), "pipeline", "run", "-f", PIPELINE]
        with (tmp_path / "pipeline.log").open("wb") as log:
            process = subprocess.Popen(command, env=environ, stderr=log)
        try:
            wait_until(lambda: stand_in.documents or process.poll() is not None)
        finally:
            stop(process)

    assert len(stand_in.documents) == 1, sandbox.log()
    assert stand_in.authorization == basic_authorization("shipper", "S3cr@t")
    assert "S3cr" not in sandbox.log()
