"""Configurations as a whole: their files, plugins, options, variables, ids, outputs and counters."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from monitor_agent.errors import ConfigurationError
from monitor_agent.logstash.compiler import Program, parse_sources, read_sources
from monitor_agent.logstash.events.event_fields import event_of
from monitor_agent.logstash.language.variables import pipeline_variables
from monitor_agent.logstash.plugin import Event
from monitor_agent.settings import PipelineSettings, Settings
from tests.unit.monitor_agent.logstash.program_runs import compile_text, context

BOTH_ENDS = "input { stdin { } } output { stdout { } }"


def program_of(text: str, folder: Path) -> Program:
    """Return the program of a text."""
    around = context([], folder / "stdin", io.BytesIO())
    around.stdin.close()
    return compile_text(text, {}, around)


def events(*fields: Event) -> list[Event]:
    """Return fields as events."""
    return [event_of(dict(event)) for event in fields]


def test_the_files_of_a_folder_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    """All files count except hidden ones and backups; an error names its file."""
    for name in ("20-b.conf", "10-a.conf", ".hidden", "10-a.conf~"):
        (tmp_path / name).write_text("filter {\n  drop { }\n}\n")
    (tmp_path / "sub").mkdir()

    assert [Path(path).name for path, _ in read_sources(str(tmp_path))] == ["10-a.conf", "20-b.conf"]
    assert [Path(path).name for path, _ in read_sources(str(tmp_path / "2*.conf"))] == ["20-b.conf"]

    (tmp_path / "20-b.conf").write_text("filter {\n  drop {")
    with pytest.raises(ConfigurationError, match=r"20-b.conf:2:9: "):
        parse_sources(read_sources(str(tmp_path)))


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_a_configuration_that_cannot_be_read_is_refused(content: bytes | None, tmp_path: Path) -> None:
    """Missing files and binary files give one line, not a traceback."""
    path = tmp_path / "a.conf"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ConfigurationError, match=r"a\.conf"):
        read_sources(str(path))


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ("mutat { }", "1: there is no filter 'mutat': did you mean mutate?"),
        ("date { macth => [] }", "8: the filter date has no option 'macth': did you mean match?"),
        ("json { }", "1: the filter json needs the option 'source': a text"),
        ("json { source => [aa, bb] }", "8: 'source' needs a text: found ['aa', 'bb']"),
        ("json { source => { aa => bb } }", "8: 'source' needs a text: found {'aa': 'bb'}"),
        ('drop { percentage => "many" }', "8: 'percentage' needs a number: found 'many'"),
        ("fingerprint { base64encode => 1 }", "15: 'base64encode' needs true or false: found 1"),
        ('fingerprint { method => "CRC" }', "15: 'method' cannot be 'CRC': use one of SHA1, SHA256"),
        ("mutate { rename => [aa, bb, cc] }", "10: 'rename' needs a hash"),
        ('mutate { ecs_compatibility => "disabled" }', "10: 'ecs_compatibility' cannot be 'disabled': use one of v8"),
        ('mutate { convert => { "a" => "date" } }', "1: convert has no type 'date'"),
        ('mutate { gsub => ["a", "b"] }', "1: gsub needs three texts for each change"),
        ('mutate { gsub => ["a", "(", ""] }', "1: /(/ is no regular expression"),
        ('mutate { rename => { "[a" => "b" } }', "1: '[a' is no field; write name or [outer][inner]"),
        ('mutate { add_field => { "a" => "%{+bogus}" } }', "1: 'b' is not known in a time pattern"),
        ('mutate { add_field => { "a" => "%{{B}}" } }', "1: 'B' is not known in a time pattern"),
        ('date { match => ["a"] }', "1: match needs a field and at least one pattern"),
        ('date { match => ["a", "yyyy zzzz"] }', "1: 'zzzz' cannot be read from a text"),
        ('date { match => ["a", "ISO8601"] timezone => "Mars" }', "1: there is no time zone 'Mars'"),
        ('date { match => ["a", "MMM"] locale => "de" }', "1: the locale 'de' is not known here: use en"),
        ('fingerprint { method => "IPV4_NETWORK" }', "1: IPV4_NETWORK needs the prefix length as key"),
        ("drop { id => xx } drop { id => xx }", "19: two plugins have the id 'xx'"),
        ("drop { percentage => 1 percentage => 2 }", "24: 'percentage' is given twice"),
    ],
)
def test_a_plugin_that_is_not_right_is_refused_with_its_place(filters: str, message: str, tmp_path: Path) -> None:
    """One line has the line, the column, the mistake and the expected text."""
    with pytest.raises(ConfigurationError) as caught:
        program_of(f"{BOTH_ENDS}\n\nfilter {{\n{filters} }}", tmp_path)

    assert f"pipeline.conf:4:{message}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_inputs_cannot_be_conditional(tmp_path: Path) -> None:
    """An if around an input is refused, as in Logstash."""
    with pytest.raises(ConfigurationError, match=r"pipeline\.conf:1:9: an input cannot be inside an if"):
        program_of("input { if [a] { stdin { } } }", tmp_path)


def test_a_codec_has_options_too(tmp_path: Path) -> None:
    """Codecs are checked like plugins."""
    with pytest.raises(ConfigurationError, match=r"there is no charset 'klingon'"):
        program_of('input { stdin { codec => json { charset => "klingon" } } }', tmp_path)
    with pytest.raises(ConfigurationError, match=r"there is no codec 'jsn': did you mean json"):
        program_of("input { stdin { codec => jsn } }", tmp_path)


def test_events_are_routed_to_each_output_that_wants_them(tmp_path: Path) -> None:
    """Outputs outside of an if get all events in their order; an output without events is not called."""
    program = program_of(
        """output { if [a] == 1 { stdout { id => one } stdout { id => too } } else if [a] == 2 { stdout { id => two } }
        else { stdout { id => rest } } stdout { id => all } }""",
        tmp_path,
    )
    batch = events({"a": 1, "n": 0}, {"a": 3, "n": 1}, {"a": 1, "n": 2})

    shares = {program.outputs.index(output): [event["n"] for event in share] for output, share in program.route(batch)}

    assert shares == {0: [0, 2], 1: [0, 2], 3: [1], 4: [0, 1, 2]}


def test_unconditional_outputs_get_everything(tmp_path: Path) -> None:
    """Without an if, each output gets all events; it is not called if there are none."""
    program = program_of("output { stdout { } stdout { } }", tmp_path)

    assert [len(share) for _, share in program.route(events({}, {}))] == [2, 2]
    assert program.route([]) == []


def test_an_event_that_cannot_be_compared_is_dropped_and_counted(tmp_path: Path) -> None:
    """A comparison without an order drops the event in outputs as in filters; the counters name the place."""
    program = program_of("filter { if [a] > 1 { } } output { if [b] > 1 { stdout { } } }", tmp_path)

    remaining = program.filter(events({"b": 2}, {"a": 2}, {"a": 2, "b": 2}))
    routed = program.route(remaining)

    assert [len(share) for _, share in routed] == [1]
    assert program.counters["conditions"].failures == {
        "pipeline.conf:1:13: [a] > 1": 1,
        "pipeline.conf:1:39: [b] > 1": 1,
    }


def test_a_filter_counts_its_events_and_failures(tmp_path: Path) -> None:
    """Events in, events out and the tags of failures are counted by the plugin's id."""
    program = program_of(
        """filter { mutate { id => conversion convert => { "a" => "integer" } }
        if [a] == 1 { drop { id => gone } } }""",
        tmp_path,
    )

    program.filter(events({"a": "1"}, {"a": "x"}, {"a": 2}))

    assert (program.counters["conversion"].events_in, program.counters["conversion"].events_out) == (3, 3)
    assert program.counters["conversion"].failures == {"_mutate_error": 1}
    assert (program.counters["gone"].events_in, program.counters["gone"].events_out) == (1, 0)


def test_settings_reach_the_configuration() -> None:
    """`${NAME}` stands for a setting; a variable of the environment overrides it; an empty setting is no variable."""
    settings = Settings(pipeline=PipelineSettings(username="from-file", data_dir="/data"))

    variables = pipeline_variables(settings, {"PIPELINE_USERNAME": "from-process"})

    assert variables["PIPELINE_USERNAME"] == "from-process"
    assert variables["PIPELINE_DATA_DIR"] == "/data"
    assert variables["MODEL_LOG_DIR"] == "var/log/model-server"
    assert "PIPELINE_PASSWORD" not in variables
