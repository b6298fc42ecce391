"""Pipelines in tests: event lines, and a runner in a thread or in another process."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from monitor_agent.logstash import compiler, runner
from monitor_agent.logstash.plugin import PipelineContext
from monitor_agent.logstash.statistics import FILE_NAME
from monitor_agent.settings import PipelineSettings

ROOT = Path(__file__).parents[1]
PIPELINE = ROOT / "logstash/pipeline"


@dataclasses.dataclass(frozen=True)
class PipelineSandbox:
    """The folders of one pipeline, and the Elasticsearch that it sends to."""

    folder: Path
    url: str
    user: str = "pipeline_writer"
    password: str = "secret"
    retry_seconds: float = 0.02
    variables: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Further environment variables."""

    @property
    def logs(self) -> Path:
        """The folder of event files."""
        return self.folder / "logs"

    @property
    def data(self) -> Path:
        """The pipeline's data folder."""
        return self.folder / "data"

    def environ(self) -> dict[str, str]:
        """Return the environment variables of the product's pipeline."""
        return {
            "MODEL_LOG_DIR": str(self.logs),
            "PIPELINE_DATA_DIR": str(self.data),
            "PIPELINE_USERNAME": self.user,
            "PIPELINE_PASSWORD": self.password,
            "ELASTICSEARCH_URL": self.url,
            **self.variables,
        }

    def append(self, *events: Mapping[str, Any] | bytes, name: str = "events.ndjson") -> None:
        """Write events, or unchanged lines, to an event file by one write."""
        self.logs.mkdir(parents=True, exist_ok=True)
        lines = [event if isinstance(event, bytes) else orjson.dumps(event) for event in events]
        with (self.logs / name).open("ab") as stream:
            stream.write(b"".join(line + b"\n" for line in lines))

    def statistics(self) -> dict[str, Any]:
        """Return the content of the statistics file; empty before there is one."""
        path = self.data / FILE_NAME
        return orjson.loads(path.read_bytes()) if path.exists() else {}

    @contextlib.contextmanager
    def running(self, **pipeline: Any) -> Iterator[PipelineContext]:
        """Run the product's pipeline in a thread while the block runs; its failure is raised at the end."""
        settings = PipelineSettings(data_dir=str(self.data), **pipeline)
        context = PipelineContext(settings, io.BytesIO(), io.BytesIO(), "host-1")
        sources = [(path, self._quicker(text)) for path, text in compiler.read_sources(str(PIPELINE))]
        program = compiler.compile_sections(compiler.parse_sources(sources), self.environ(), context)
        failures: list[BaseException] = []

        def work() -> None:
            try:
                runner.run(program, context)
            except BaseException as error:  # noqa: BLE001 - raised again in the test's own thread
                failures.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield context
        finally:
            context.stopping.set()
            thread.join(20)
        if failures:
            raise failures[0]

    def spawn(
        self, environ: Mapping[str, str] | None = None, arguments: Sequence[str] = (), **options: Any
    ) -> subprocess.Popen[bytes]:
        """Start `monitor-agent pipeline run` on the product's pipeline, in small batches; it logs to `pipeline.log`.

        Parameters
        ----------
        environ : further environment variables.
        arguments : further arguments of the command.
        options : of `subprocess.Popen`.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        quicker = self.folder / "pipeline"
        quicker.mkdir(exist_ok=True)
        for path, text in compiler.read_sources(str(PIPELINE)):
            (quicker / Path(path).name).write_text(self._quicker(text), encoding="utf-8")
        command = [sys.executable, "-m", "monitor_agent", "pipeline", "run", "-f", str(quicker), *arguments]
        with (self.folder / "pipeline.log").open("ab") as log:
            variables = {**os.environ, **self.environ(), "PIPELINE_BATCH_SIZE": "100", **(environ or {})}
            return subprocess.Popen(command, env=variables, cwd=ROOT, stderr=log, **options)

    def log(self) -> str:
        """Return the log of the spawned pipelines."""
        return (self.folder / "pipeline.log").read_text(encoding="utf-8")

    def _quicker(self, text: str) -> str:
        text = text.replace("stat_interval => 0.1\n", "stat_interval => 0.02\n")
        text = text.replace("retry_initial_interval => 1\n", f"retry_initial_interval => {self.retry_seconds}\n")
        return text.replace("retry_max_interval => 30\n", f"retry_max_interval => {10 * self.retry_seconds}\n")


def stop(process: subprocess.Popen[bytes]) -> float:
    """Stop a process by SIGTERM; return the seconds until it ended."""
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.wait(20)
    return time.monotonic() - began
