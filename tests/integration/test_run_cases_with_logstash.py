"""The script that runs the golden cases through a real Logstash, here with a stand-in that prints what one recorded."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.pipelines import ROOT
from tests.unit.test_run_cases_script import SCRIPT

RUNNABLE = ROOT / "scripts/run_cases_with_logstash.py"
STAND_IN = """#!{python}
import http.server, os, pathlib, re, signal, socket, sys

pattern = sys.argv[sys.argv.index("--path.config") + 1]
text = "".join(path.read_text() for path in pathlib.Path(pattern).parent.glob("*.conf"))
assert 'codec => json {{ target => "[line]" }}' in text and "elasticsearch {{" not in text, text
port = re.search(r'port => "([0-9]+)"', text)
if port:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200 if self.headers["Authorization"] else 401)
            self.end_headers()
        def log_message(self, *args):
            pass
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        http.server.HTTPServer(("127.0.0.1", int(port[1])), Handler).serve_forever()
    finally:
        print(pathlib.Path({printed!r}).read_text())
else:
    log = re.search('^ *path => "(.*)"', text, re.M)[1]
    assert pathlib.Path(log).read_bytes() == pathlib.Path({case!r}).read_bytes()
    print(pathlib.Path({printed!r}).read_text().replace("LOG", log).replace("HOST", socket.gethostname()))
"""


def shuffled(value: Any) -> Any:
    """Return a value with the names of its objects in any order."""
    if isinstance(value, dict):
        names = random.Random(7).sample(list(value), len(value))
        return {name: shuffled(value[name]) for name in names}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


def run(name: str, documents: list[dict[str, Any]], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the script for a case with a Logstash that prints these documents."""
    events = [
        {
            **document["_source"],
            "to": {"index": document["_index"], "id": document["_id"].replace("HASH", f"{number:064x}")},
        }
        for number, document in enumerate(documents)
    ]
    printed = folder / "printed"
    printed.write_text("log line\n" + "\n".join(json.dumps(shuffled(event)) for event in events) + "\n")
    program = folder / "bin" / "logstash"
    program.parent.mkdir()
    case = str(SCRIPT["CASES"] / f"{name}.log")
    program.write_text(STAND_IN.format(python=sys.executable, printed=str(printed), case=case))
    program.chmod(0o755)
    return subprocess.run(
        [sys.executable, str(RUNNABLE), name],
        env={**os.environ, "LOGSTASH_HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", ["types", "http/bodies"])
def test_the_recorded_documents_are_as_expected(name: str, tmp_path: Path) -> None:
    """In any order, with any order of names, and if an event is printed twice."""
    documents = SCRIPT["without_refused"](SCRIPT["expected"](name))
    stored = [document for document in documents if document["_id"] != "HASH"]
    done = run(name, [*reversed(documents), *stored[:2]], tmp_path)

    assert done.stdout == f"{name}: as expected\n", done.stderr
    assert done.returncode == 0


def test_another_document_is_a_difference(tmp_path: Path) -> None:
    """The script shows it and exits with the number of cases that differ."""
    first, *rest = SCRIPT["expected"]("types")
    first["_source"]["error"] = {"type": "another reason"}
    done = run("types", [first, *rest], tmp_path)

    assert done.stdout.startswith("types: differs\n")
    assert '+    "type": "another reason"' in done.stdout
    assert done.returncode == 1


def test_a_logstash_that_fails_is_named(tmp_path: Path) -> None:
    """There is one line, and no traceback."""
    done = run("types", [], tmp_path)
    (tmp_path / "bin" / "logstash").write_text(f"#!{sys.executable}\nraise SystemExit(3)\n")
    done = subprocess.run(
        [sys.executable, str(RUNNABLE), "types"],
        env={**os.environ, "LOGSTASH_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.startswith("error: Logstash failed: ")
    assert done.stderr.count("\n") == 1
