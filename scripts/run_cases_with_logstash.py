"""Run the pipeline's golden cases through a real Logstash and compare.

    LOGSTASH_HOME=/opt/logstash-8.19.0 python scripts/run_cases_with_logstash.py [CASE ...]

Without LOGSTASH_HOME it runs the image of `docker-compose.yml`, in the version of ELASTIC_VERSION or `.env.example`.
The pipeline is the one that the product runs, with two changes: its input reads one `logstash/cases/CASE.log` to the
end, and its output prints the documents. The case `http/bodies` posts requests to the http input instead. The tests do
the same with the embedded runner. The script needs the standard library only.
"""

from __future__ import annotations

import base64
import difflib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CASES = ROOT / "logstash" / "cases"
PIPELINE = ROOT / "logstash" / "pipeline"

HTTP_INPUT = PIPELINE / "http-on" / "15-http.conf"
HTTP_BODIES = "http/bodies"

FILE_OPTIONS = """exit_after_read => true
    file_completed_action => "log"
    file_completed_log_path => "%s"
"""
OUTPUT = """
filter { mutate { add_field => { "[to][index]" => "%{[@metadata][index]}" "[to][id]" => "%{[@metadata][id]}" } } }
output { stdout { codec => json_lines } }
"""
OTHER_FEATURES = "MODEL_SERVER_LOG_OTHER_FEATURES"
USER, PASSWORD = "shop", "not a secret"
_OPTION = r"^(\s*%s => ).*$"
_REFUSED = '"labels":{"refuse":'
"""The text of documents that the stand-in of Elasticsearch refuses in the tests; here is no Elasticsearch."""
_OUTPUT_SECTION = re.compile(r"^output \{.*", re.MULTILINE | re.DOTALL)
_DEAD_LETTERS = "model-deadletters-"


def case_names() -> list[str]:
    """Return the names of all cases."""
    return sorted(path.stem for path in CASES.glob("*.log"))


def variables_of(name: str) -> dict[str, str]:
    """Return the environment variables of a case: all but `features` store features that are on no allow-list."""
    return {OTHER_FEATURES: "false" if name == "features" else "true"}


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


def logstash_command(environ: Mapping[str, str], folder: Path, port: int = 0) -> list[str]:
    """Return the command that starts a Logstash with access to `folder`; empty if there is no Logstash.

    Parameters
    ----------
    port : a port of a container that must be reached from here; 0 = none.
    """
    home = environ.get("LOGSTASH_HOME", "")
    if (Path(home) / "bin" / "logstash").exists():
        return [str(Path(home) / "bin" / "logstash"), "--path.data", str(folder / "data")]
    docker = shutil.which("docker")
    if home or docker is None:
        return []
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    version = environ.get("ELASTIC_VERSION") or re.findall(r"^ELASTIC_VERSION=(.+)", example, re.MULTILINE)[0]
    container: tuple[str, ...] = ("--hostname", socket.gethostname(), "--volume", f"{folder}:{folder}")
    container = (*container, "--env", OTHER_FEATURES)
    if port:
        container = (*container, "--publish", f"127.0.0.1:{port}:{port}")
    return [docker, "run", "--rm", *container, f"logstash:{version}", "--path.data", "/tmp/data"]


def with_options(content: str, options: Mapping[str, str]) -> str:
    """Return the text of an input with other values of options that it has."""
    for name, value in options.items():
        written = value.replace("\\", r"\\")
        content, count = re.subn(_OPTION % name, rf"\g<1>{written}", content, flags=re.MULTILINE)
        if count != 1:
            raise SystemExit(f"error: the input of the pipeline has the option {name!r} {count} times, not once")
    return content


def file_input(log: Path, completed: Path) -> str:
    """Return the input of the product, which reads one file to its end instead of following a folder."""
    values = {"path": f'"{log}"', "mode": '"read"', "sincedb_path": '"/dev/null"'}
    content = with_options((PIPELINE / "10-input.conf").read_text(encoding="utf-8"), values)
    return content.replace("    mode =>", "    " + FILE_OPTIONS % completed + "    mode =>")


def http_input(host: str, port: int) -> str:
    """Return the http input of the product with an address and a user of this script."""
    values = {"host": f'"{host}"', "port": f'"{port}"', "user": f'"{USER}"', "password": f'"{PASSWORD}"'}
    return with_options(HTTP_INPUT.read_text(encoding="utf-8"), values)


def write_pipeline(folder: Path, source: str) -> Path:
    """Write the product's pipeline with another input, and an output that prints the documents."""
    folder.mkdir()
    (folder / "10-input.conf").write_text(source, encoding="utf-8")
    for path in PIPELINE.glob("[2-9]*.conf"):
        (folder / path.name).write_text(_OUTPUT_SECTION.sub("", path.read_text(encoding="utf-8")), encoding="utf-8")
    (folder / "99-print.conf").write_text(OUTPUT, encoding="utf-8")
    return folder


def bodies() -> list[dict[str, Any]]:
    """Return the requests of the golden HTTP bodies: name, headers and data."""
    entries: list[dict[str, Any]] = json.loads((CASES / f"{HTTP_BODIES}.json").read_text(encoding="utf-8"))
    return [
        {
            "name": entry["name"],
            "headers": {
                name: value
                for name, value in {"Content-Type": "application/json", **entry.get("headers", {})}.items()
                if value is not None
            },
            "data": base64.b64decode(entry["base64"]) if "base64" in entry else entry["text"].encode(),
        }
        for entry in entries
    ]


def post_bodies(port: int, process: subprocess.Popen[bytes]) -> None:
    """Post all bodies one after another, as soon as the input listens; a body may be refused."""
    credentials = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    deadline = time.monotonic() + 300
    for body in bodies():
        headers = {"Authorization": f"Basic {credentials}", **body["headers"]}
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            try:
                connection.request("POST", "/", body["data"], headers)
                connection.getresponse().read()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.5)
            finally:
                connection.close()


def printed_documents(output: bytes) -> list[dict[str, Any]]:
    """Return the printed documents; of those with one index and id the first, since only it can be created."""
    documents: dict[tuple[str, str], dict[str, Any]] = {}
    for line in output.splitlines():
        if line.startswith(b"{"):
            event = json.loads(line)
            to = event.pop("to")
            document = {"_index": to["index"], "_id": to["id"], "_source": event}
            documents.setdefault((to["index"], to["id"]), document)
    return list(documents.values())


def run_with_logstash(environ: Mapping[str, str], name: str, folder: Path) -> list[dict[str, Any]]:
    """Return the documents of a case from a real Logstash, ready for comparison."""
    folder.chmod(0o777)  # a container has an account of its own
    log, port = folder / f"{Path(name).name}.ndjson", 0
    if name == HTTP_BODIES:
        port = free_port()
        source = http_input("127.0.0.1" if environ.get("LOGSTASH_HOME") else "0.0.0.0", port)
    else:
        log.write_bytes((CASES / f"{name}.log").read_bytes())
        source = file_input(log, folder / "completed")
    pipeline = write_pipeline(folder / "pipeline", source)
    arguments = [
        *logstash_command(environ, folder, port),
        *("--path.config", str(pipeline / "*.conf")),
        *("--pipeline.ecs_compatibility", "v8", "--pipeline.workers", "1", "--log.level", "error"),
    ]
    variables = {**environ, **variables_of(name)}
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, env=variables) as process, ThreadPoolExecutor(1) as reader:
        assert process.stdout is not None
        output = reader.submit(process.stdout.read)
        try:
            if port:
                post_bodies(port, process)
                process.send_signal(signal.SIGTERM)
            status = process.wait(300)
        except BaseException:
            process.kill()
            raise
    if status not in (0, 128 + signal.SIGTERM, -signal.SIGTERM):
        raise subprocess.CalledProcessError(status, arguments)
    return comparable(printed_documents(output.result()), str(log), socket.gethostname())


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def without_refused(documents: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the documents without those that Elasticsearch refuses in the tests, and without their dead letters."""
    return [
        document
        for document in documents
        if _REFUSED not in json.dumps(document, separators=(",", ":"))
        and _REFUSED not in str(document["_source"].get("message"))
    ]


def main(names: Sequence[str]) -> int:
    """Return the number of cases that differ; 1 if no Logstash can run."""
    if not logstash_command(os.environ, ROOT):
        print("error: there is no Logstash: set LOGSTASH_HOME to a folder with bin/logstash", file=sys.stderr)
        return 1
    different = 0
    for name in names or [*case_names(), HTTP_BODIES]:
        with tempfile.TemporaryDirectory() as folder:
            try:
                actual = text(without_refused(run_with_logstash(os.environ, name, Path(folder))))
            except (subprocess.SubprocessError, OSError) as error:
                print(f"error: Logstash failed: {error}", file=sys.stderr)
                return 1
        golden = text(without_refused(expected(name)))
        equal = actual == golden
        different += not equal
        print(f"{name}: {'as expected' if equal else 'differs'}")
        sys.stdout.writelines(
            difflib.unified_diff(golden.splitlines(True), actual.splitlines(True), "expected", "actual")
        )
    return different


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
