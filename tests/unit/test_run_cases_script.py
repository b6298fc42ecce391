"""How the script for a real Logstash compares documents, and the settings that this Logstash reads."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = runpy.run_path(str(ROOT / "scripts/run_cases_with_logstash.py"))
LOG4J = ROOT / "logstash/config/log4j2.properties"


def test_documents_are_equal_whatever_the_order_of_their_names() -> None:
    """Sorting does not depend on the order in which a program writes names."""
    first = {"_index": "i-1", "_id": "1", "_source": {"a": {"x": 1, "y": 2}, "b": 1}}
    second = {"_index": "i-1", "_id": "2", "_source": {"a": {"x": 0, "y": 2}, "b": 1}}
    turned = [
        {"_source": {"b": 1, "a": {"y": 2, "x": source["a"]["x"]}}, "_id": document["_id"], "_index": "i-1"}
        for document, source in ((second, second["_source"]), (first, first["_source"]))
        if isinstance(source, dict)
    ]

    assert SCRIPT["comparable"]([first, second], "", "") == SCRIPT["comparable"](turned, "", "")


def test_the_inputs_are_those_of_the_product() -> None:
    """Only the options change that say where the data comes from; a renamed option is an error."""
    source = SCRIPT["file_input"](Path("/logs/a.ndjson"), Path("/logs/completed"))
    product = (ROOT / "logstash/pipeline/10-input.conf").read_text(encoding="utf-8")

    assert set(re.findall(r"^ +(\w+) =>", product, re.MULTILINE)) < set(
        re.findall(r"^ +(\w+) =>", source, re.MULTILINE)
    )
    assert "${" not in source + SCRIPT["http_input"]("127.0.0.1", 8501).split("input {")[1]
    with pytest.raises(SystemExit, match="'nothing' 0 times"):
        SCRIPT["with_options"](product, {"nothing": "1"})


@pytest.mark.parametrize("form", ["plain", "json"])
def test_the_log_of_a_real_logstash_has_its_appenders(form: str) -> None:
    """`log.format` selects one for the console and one for a file; each has a type and a layout."""
    properties = dict(
        line.split(" = ", 1) for line in LOG4J.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"
    )
    names = {
        value: key.removesuffix(".name")
        for key, value in properties.items()
        if re.fullmatch(r"appender\.\w+\.name", key)
    }
    references = [value for key, value in properties.items() if key.startswith("rootLogger.appenderRef")]

    for reference in references:
        appender = names[reference.replace("${sys:ls.log.format}", form)]
        assert properties[f"{appender}.type"] in ("Console", "RollingFile")
        assert f"{appender}.layout.type" in properties
    assert len(references) == 2
    assert properties["rootLogger.level"] == "${sys:ls.log.level}"
