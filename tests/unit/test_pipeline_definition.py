"""The definition of the pipeline, as a real Logstash reads it; the golden cases test its results."""

from __future__ import annotations

import glob
import io
import re
from pathlib import Path

import pytest
import yaml

from monitor_agent.contracts.deadletter import BAD_ROW, OF_THE_AGENT, REASONS, UNKNOWN_PREDICTION, UNNAMED_KIND
from monitor_agent.contracts.event_catalogue import EVENT_CONTRACTS
from monitor_agent.contracts.kinds import KINDS
from monitor_agent.errors import ConfigurationError
from monitor_agent.logstash import compiler
from monitor_agent.logstash.language import lint
from monitor_agent.logstash.language.variables import pipeline_variables
from monitor_agent.logstash.plugin import PipelineContext
from monitor_agent.settings import PipelineSettings, Settings

LOGSTASH = Path(__file__).parents[2] / "logstash"
FILES = sorted((LOGSTASH / "pipeline").rglob("*.conf"))
VARIABLE = re.compile(r"\$\{(\w+)(?::([^}]*))?\}")
NEEDED = {"MODEL_LOG_DIR": "/logs", "PIPELINE_DATA_DIR": "/data", "PIPELINE_PASSWORD": "secret"}
CREDENTIALS = {"PIPELINE_HTTP_USERNAME": "shop", "PIPELINE_HTTP_PASSWORD": "secret"}


def matches(pattern: str, **environ: str) -> list[str]:
    """Return the names of the files of `path.config`: variables, then braces, then stars, then sorted."""
    variables = {"LOGSTASH_PIPELINE_DIR": str(LOGSTASH / "pipeline"), **environ}
    pattern = VARIABLE.sub(lambda match: variables.get(match[1], match[2] or ""), pattern)
    braces = re.search(r"\{(.*)\}", pattern)
    choices = [pattern.replace(braces[0], choice) for choice in braces[1].split(",")] if braces else [pattern]
    paths = sorted(path for choice in choices for path in glob.glob(choice))  # noqa: PTH207 - as Logstash does
    return [str(Path(path).relative_to(LOGSTASH / "pipeline")) for path in paths]


def compiled(folders: tuple[str, ...], variables: dict[str, str]) -> compiler.Program:
    """Return the program of some folders of the pipeline."""
    sources = [source for folder in folders for source in compiler.read_sources(str(LOGSTASH / "pipeline" / folder))]
    context = PipelineContext(PipelineSettings(), io.BytesIO(), io.BytesIO(), "host-1")
    return compiler.compile_sections(compiler.parse_sources(sources), variables, context)


def test_logstash_finds_the_files() -> None:
    """pipelines.yml names all files of a pipeline, and the http input only if it is switched on."""
    events, letters = yaml.safe_load((LOGSTASH / "config/pipelines.yml").read_text(encoding="utf-8"))

    off, on = matches(events["path.config"]), matches(events["path.config"], PIPELINE_HTTP="on")
    assert off == sorted(path.name for path in (LOGSTASH / "pipeline").glob("*.conf"))
    assert on == [*off, "http-on/15-http.conf"]
    assert matches(letters["path.config"]) == ["dead-letters/dead-letters.conf"]


def test_logstash_has_the_settings_that_lose_nothing() -> None:
    """Its queue is on disk, refused documents are stored, and fields have the names of the mappings."""
    settings = yaml.safe_load((LOGSTASH / "config/logstash.yml").read_text(encoding="utf-8"))

    assert settings["queue.type"] == "persisted"
    assert settings["dead_letter_queue.enable"] is True
    assert settings["pipeline.ecs_compatibility"] == "v8"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_is_ascii(path: Path) -> None:
    """Editors and terminals show every character; U+FFFD stands for bytes that are no UTF-8."""
    assert path.read_text(encoding="utf-8").replace("\N{REPLACEMENT CHARACTER}", "").isascii()


def test_the_indices_are_those_of_the_contracts() -> None:
    """A misspelt index would be made without its template."""
    text = "".join(path.read_text(encoding="utf-8") for path in FILES)
    named = set(re.findall(r'(?:\[index\]"|index) => "(model-[a-z]+?)(?:-%.*)?"', text))

    assert named == {contract.name for contract in EVENT_CONTRACTS}


def test_the_contract_names_every_reason_of_a_dead_letter() -> None:
    """The table of reasons has those of the pipeline, of refused documents, of the agent, and of imported rows."""
    text = "".join(path.read_text(encoding="utf-8") for path in FILES)
    named = set(re.findall(r'"\[@metadata\]\[reject\]" => "([^"]+)"', text))

    assert named | {"refused", OF_THE_AGENT, BAD_ROW, UNKNOWN_PREDICTION, UNNAMED_KIND} == set(REASONS)


def test_the_pipeline_knows_the_kinds_of_the_contract() -> None:
    """`prediction.kind` has the values of the table of kinds."""
    text = (LOGSTASH / "pipeline/30-check.conf").read_text(encoding="utf-8")
    (names,) = re.findall(r'"kind":\(\?!\(\?:null\|"\(\?:([a-z|]+)\)"\)', text)

    assert names.split("|") == [kind.name for kind in KINDS]


def test_the_http_input_needs_credentials() -> None:
    """Switched on without a password it does not start; without it none is needed."""
    assert len(compiled((".",), NEEDED).inputs) == 1
    assert len(compiled((".", "http-on"), NEEDED | CREDENTIALS).inputs) == 2
    with pytest.raises(ConfigurationError, match="PIPELINE_HTTP_USERNAME is not set"):
        compiled((".", "http-on"), NEEDED)
    with pytest.raises(ConfigurationError, match="must not be empty"):
        compiled((".", "http-on"), NEEDED | {**CREDENTIALS, "PIPELINE_HTTP_PASSWORD": ""})


def test_an_api_key_needs_no_password() -> None:
    """With an API key the pipeline starts without PIPELINE_PASSWORD; without both it does not start."""
    needed = {name: value for name, value in NEEDED.items() if name != "PIPELINE_PASSWORD"}
    variables = pipeline_variables(Settings(pipeline=PipelineSettings(api_key="aWQ6a2V5")), {})

    assert compiled((".",), variables | needed).outputs
    with pytest.raises(ConfigurationError, match="PIPELINE_PASSWORD is not set"):
        compiled((".",), pipeline_variables(Settings(), {}) | needed)


def test_no_condition_drops_events() -> None:
    """`<` on a field that may be missing would drop the event."""
    sections = compiler.parse_sources(compiler.read_sources(str(LOGSTASH / "pipeline")))

    assert lint.warnings(sections) == []
