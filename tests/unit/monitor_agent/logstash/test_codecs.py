"""Codecs that decode whole messages, and codecs that write."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from monitor_agent.errors import ConfigurationError
from monitor_agent.logstash import registry
from monitor_agent.logstash.language import syntax
from monitor_agent.logstash.language.parser import parse
from monitor_agent.logstash.options import configure
from monitor_agent.logstash.plugin import Codec, PluginConfig, PluginCounters
from tests.unit.monitor_agent.logstash.program_runs import context, filtered

ADDED = ("@timestamp", "@version", "event")


def codec_of(text: str, folder: Path) -> Codec:
    """Return the codec of a configuration text."""
    node = parse(f"input {{ {text} }}", "a.conf")[0].body[0]
    assert isinstance(node, syntax.Plugin)
    spec = registry.plugin_spec("codec", node.name, node.at)
    specific, common = configure(spec, node, {}, lambda _node: None)  # type: ignore[arg-type, return-value]
    around = context([], folder / "stdin", io.BytesIO())
    around.stdin.close()
    codec: Codec = spec.build(PluginConfig(node.name, node.name, specific, common, node.at, PluginCounters()), around)
    return codec


def decoded(text: str, data: bytes, folder: Path) -> list[dict[str, Any]]:
    """Return the events without the fields that all events have."""
    events = codec_of(text, folder).decode(data)
    assert all(event["@timestamp"] and event["@version"] == "1" for event in events)
    return [{name: value for name, value in event.items() if name not in ADDED} for event in events]


def test_every_line_of_a_message_is_an_event(tmp_path: Path) -> None:
    """A body of several lines gives as many events; a newline at its end gives none."""
    assert decoded("json_lines { }", b'{"a":1}\n\n{"a":2}\n', tmp_path) == [{"a": 1}, {"a": 2}]
    assert decoded("line { }", b"one\n\ntwo\n", tmp_path) == [{"message": "one"}, {"message": ""}, {"message": "two"}]
    assert decoded('line { delimiter => ";" }', b"one;two", tmp_path) == [{"message": "one"}, {"message": "two"}]
    assert decoded("plain { }", b"one\ntwo", tmp_path) == [{"message": "one\ntwo"}]


def test_a_target_takes_the_object(tmp_path: Path) -> None:
    """The fields go below the target; the original text stays beside it."""
    (event,) = codec_of('json { target => "[doc][x]" }', tmp_path).decode(b'{"a":1,"@timestamp":"2020-01-01"}')

    assert event["doc"] == {"x": {"a": 1, "@timestamp": "2020-01-01"}}
    assert event["event"]["original"] == '{"a":1,"@timestamp":"2020-01-01"}'
    with pytest.raises(ConfigurationError, match="the target cannot be @timestamp"):
        codec_of('json { target => "@timestamp" }', tmp_path)


def test_a_charset_is_decoded(tmp_path: Path) -> None:
    """Text in another charset becomes the same characters."""
    assert decoded('json { charset => "CP1252" }', b'{"a":"\x80"}', tmp_path) == [{"a": "€"}]
    assert decoded('plain { charset => "ISO-8859-1" }', b"\xe9", tmp_path) == [{"message": "é"}]


def test_only_objects_keep_their_original_text(tmp_path: Path) -> None:
    """Neither a failure nor one of several elements of a list gets `event.original`; a field of that name stays."""
    codec = codec_of("json { }", tmp_path)

    assert "event" not in codec.decode(b"no json")[0]
    assert ["event" in event for event in codec.decode(b'[{"a":1},{"a":2}]')] == [False, False]
    assert codec.decode(b'[{"a":1}]')[0]["event"] == {"original": '[{"a":1}]'}
    assert codec.decode(b'{"event":{"original":"x"}}')[0]["event"] == {"original": "x"}


@pytest.mark.parametrize("data", [b'{"@metadata":5}', b"5", b'["x"]', b'[{"a":1},2]'])
def test_json_that_is_no_event_is_kept_as_text(data: bytes, tmp_path: Path) -> None:
    """Scalars, mixed lists and metadata that is not an object are tagged."""
    assert decoded("json { }", data, tmp_path) == [{"message": data.decode(), "tags": ["_jsonparsefailure"]}]


def test_text_after_a_list_of_several_objects_is_not_lost(tmp_path: Path) -> None:
    """Its events have no original text, so the whole text is kept as a failure; a real Logstash ignores the rest."""
    data = b'[{"a":1},{"a":2}]{"a":3}'

    assert decoded("json { }", data, tmp_path) == [{"message": data.decode(), "tags": ["_jsonparsefailure"]}]


def test_metadata_is_never_written(tmp_path: Path) -> None:
    """Only rubydebug with the option `metadata` writes `@metadata`; the event itself is not changed."""
    event = {"a": 1, "@metadata": {"x": 1}}

    assert codec_of("json { }", tmp_path).encode(event) == b'{"a":1}'
    assert codec_of("json_lines { }", tmp_path).encode(event) == b'{"a":1}\n'
    assert b"@metadata" not in codec_of("rubydebug { }", tmp_path).encode(event)
    assert b"@metadata" in codec_of("rubydebug { metadata => true }", tmp_path).encode(event)
    assert event["@metadata"] == {"x": 1}


def test_rubydebug_shows_every_kind_of_value(tmp_path: Path) -> None:
    """One field a line, names aligned to the right, lists numbered."""
    printed = codec_of("rubydebug { }", tmp_path).encode({"text": 'a"b', "n": None, "l": [1, {"x": True}], "e": []})

    assert printed.decode().splitlines() == [
        "{",
        '    "text" => "a\\"b",',
        '       "n" => nil,',
        '       "l" => [',
        "        [0] 1,",
        "        [1] {",
        '            "x" => true',
        "        }",
        "    ],",
        '       "e" => []',
        "}",
    ]
    with pytest.raises(ConfigurationError, match=r"a.conf:1:9: the codec rubydebug only writes"):
        codec_of("rubydebug { }", tmp_path).decode(b"")


def test_a_message_is_written_with_its_time_and_host(tmp_path: Path) -> None:
    """Without a format the line is time, host and message."""
    event = {"@timestamp": "2026-01-02T03:04:05.000Z", "host": "h", "message": "m"}

    assert codec_of("line { }", tmp_path).encode(event) == b"2026-01-02T03:04:05.000Z h m\n"
    assert codec_of('plain { format => "%{message}" }', tmp_path).encode(event) == b"m"


def test_the_json_filter_treats_a_bad_time_as_the_codec_does(tmp_path: Path) -> None:
    """A malformed time goes to `_@timestamp` with a tag; a source that is not text and deep nesting fail."""
    texts = ['{"a":1,"@timestamp":"soon"}', '{"a":1,"@timestamp":5}', 7, '{"a":' * 1001 + "1" + "}" * 1001]
    bad, number, no_text, deep = filtered('json { source => "m" }', *({"m": text} for text in texts), folder=tmp_path)

    assert (bad["a"], bad["_@timestamp"], bad["tags"]) == (1, "soon", ["_timestampparsefailure"])
    assert (number["_@timestamp"], number["tags"]) == ("5", ["_timestampparsefailure"])
    assert no_text["tags"] == deep["tags"] == ["_jsonparsefailure"]
