"""Run the pipeline's golden cases through a real Logstash and compare.

    LOGSTASH_HOME=/opt/logstash-8.19.0 python scripts/run_cases_with_logstash.py [CASE ...]

Without LOGSTASH_HOME it runs the image of `docker-compose.yml`, in the version of ELASTIC_VERSION or `.env.example`.
The pipeline is the one that the product runs, with two changes: its input reads one `logstash/cases/CASE.log` to the
end, and its output prints the documents. The tests do the same with the embedded runner. The script needs the standard
library only.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CASES = ROOT / "logstash" / "cases"
PIPELINE = ROOT / "logstash" / "pipeline"

INPUT = """
input {
  file {
    path => "%s"
    mode => "read"
    exit_after_read => true
    file_completed_action => "log"
    file_completed_log_path => "%s"
    sincedb_path => "/dev/null"
    start_position => "beginning"
    codec => json { target => "[line]" }
  }
}
"""
OUTPUT = """
filter { mutate { add_field => { "[to][index]" => "%{[@metadata][index]}" "[to][id]" => "%{[@metadata][id]}" } } }
output { stdout { codec => json_lines } }
"""
_OUTPUT_SECTION = re.compile(r"^output \{.*", re.MULTILINE | re.DOTALL)
_DEAD_LETTERS = "model-deadletters-"


def case_names() -> list[str]:
    """Return the names of all cases."""
    return sorted(path.stem for path in CASES.glob("*.log"))


def expected(name: str, by: str = "logstash") -> list[dict[str, Any]]:
    """Return the expected documents of a case.

    An entry with `why` says why a real Logstash (`logstash`) and the embedded runner (`runner`) make different
    documents of a line.

    Parameters
    ----------
    by : `logstash` or `runner`.
    """
    entries: list[dict[str, Any]] = json.loads((CASES / f"{name}.expected.json").read_text(encoding="utf-8"))
    return in_order([document for entry in entries for document in (entry[by] if "why" in entry else [entry])])


def comparable(documents: Sequence[dict[str, Any]], path: str, host: str) -> list[dict[str, Any]]:
    """Return documents (`_index`, `_id`, `_source`) in a fixed order, without values that differ from run to run."""
    return in_order([_comparable(document, path, host) for document in documents])


def in_order(documents: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return documents in an order that depends on their content only."""
    return sorted(documents, key=lambda document: json.dumps(document, sort_keys=True))


def text(documents: Sequence[dict[str, Any]]) -> str:
    """Return documents in the form of an `expected.json` file."""
    return json.dumps(documents, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _comparable(document: dict[str, Any], path: str, host: str) -> dict[str, Any]:
    source = json.loads(json.dumps(document["_source"]))
    index, identifier = document["_index"], document["_id"]
    if _is_recent(source.get("@timestamp", "")):
        source["@timestamp"] = "NOW"
    if isinstance(source.get("event"), dict) and _is_recent(source["event"].get("ingested", "")):
        source["event"]["ingested"] = "NOW"
    if source.get("log", {}).get("file", {}).get("path") == path:
        source["log"]["file"]["path"] = "LOG"
    if source.get("host") == {"name": host}:
        source["host"]["name"] = "HOST"
    if index.startswith(_DEAD_LETTERS):
        identifier = "HASH" if re.fullmatch("[0-9a-f]{64}", identifier) else identifier
    family, _, day = index.rpartition("-")
    if _is_recent(day.replace(".", "-")):
        index = f"{family}-TODAY"
    return {"_index": index, "_id": identifier, "_source": source}


def _is_recent(time: str) -> bool:
    """Return whether a text begins with a day near today."""
    try:
        day = datetime.strptime(time[:10], "%Y-%m-%d").replace(tzinfo=timezone.utc)
    except ValueError:
        return False
    return abs(datetime.now(timezone.utc) - day) < timedelta(days=3)


def logstash_command(environ: Mapping[str, str], folder: Path) -> list[str]:
    """Return the command that starts a Logstash with access to `folder`; empty if there is no Logstash."""
    home = environ.get("LOGSTASH_HOME", "")
    if (Path(home) / "bin" / "logstash").exists():
        return [str(Path(home) / "bin" / "logstash"), "--path.data", str(folder / "data")]
    docker = shutil.which("docker")
    if home or docker is None:
        return []
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    version = environ.get("ELASTIC_VERSION") or re.findall(r"^ELASTIC_VERSION=(.+)", example, re.MULTILINE)[0]
    container = ("--hostname", socket.gethostname(), "--volume", f"{folder}:{folder}")
    return [docker, "run", "--rm", *container, f"logstash:{version}", "--path.data", "/tmp/data"]


def run_with_logstash(command: Sequence[str], name: str, folder: Path) -> list[dict[str, Any]]:
    """Return the documents of a case from a real Logstash, ready for comparison."""
    pipeline, log = folder / "pipeline", folder / f"{name}.ndjson"
    folder.chmod(0o777)  # a container has an account of its own
    pipeline.mkdir()
    log.write_bytes((CASES / f"{name}.log").read_bytes())
    for path in PIPELINE.glob("*.conf"):
        content = path.read_text(encoding="utf-8")
        if path.name.startswith("10-"):
            content = INPUT % (log, folder / "completed")
        (pipeline / path.name).write_text(_OUTPUT_SECTION.sub("", content), encoding="utf-8")
    (pipeline / "99-print.conf").write_text(OUTPUT, encoding="utf-8")
    done = subprocess.run(
        [
            *command,
            *("--path.config", str(pipeline / "*.conf")),
            *("--pipeline.ecs_compatibility", "v8", "--pipeline.workers", "1", "--log.level", "error"),
        ],
        stdout=subprocess.PIPE,
        timeout=300,
        check=True,
    )
    documents = []
    for line in done.stdout.splitlines():
        if line.startswith(b"{"):
            event = json.loads(line)
            to = event.pop("to")
            documents.append({"_index": to["index"], "_id": to["id"], "_source": event})
    return comparable(documents, str(log), socket.gethostname())


def main(names: Sequence[str]) -> int:
    """Return the number of cases that differ; 1 if no Logstash can run."""
    if not logstash_command(os.environ, ROOT):
        print("error: there is no Logstash: set LOGSTASH_HOME to a folder with bin/logstash", file=sys.stderr)
        return 1
    different = 0
    for name in names or case_names():
        with tempfile.TemporaryDirectory() as folder:
            command = logstash_command(os.environ, Path(folder))
            try:
                actual, golden = text(run_with_logstash(command, name, Path(folder))), text(expected(name))
            except subprocess.CalledProcessError as error:
                print(f"error: {command[0]} failed with status {error.returncode}", file=sys.stderr)
                return 1
        equal = actual == golden
        different += not equal
        print(f"{name}: {'as expected' if equal else 'differs'}")
        sys.stdout.writelines(
            difflib.unified_diff(golden.splitlines(True), actual.splitlines(True), "expected", "actual")
        )
    return different


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
