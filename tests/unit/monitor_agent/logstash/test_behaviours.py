"""Behaviours of Logstash beyond the recorded cases: codecs, dates, texts, mutate, fingerprint, tags."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.unit.monitor_agent.logstash.program_runs import IN, OUT, filtered, printed_by

WHEN = "2026-01-02T03:04:05.678901Z"
JODA_TEXT = "2026-01-02T03 5 2 26 January 678000 03 AM +0000"


def filtered_event(filters: str, event: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return one event after the filters."""
    return filtered(filters, event, folder=folder)[0]


def read(lines: list[str], folder: Path) -> list[dict[str, Any]]:
    """Return the events of some lines of JSON."""
    return [orjson.loads(line) for line in printed_by(IN + OUT, lines, folder)]


@pytest.mark.parametrize(
    "line",
    [
        '{"a":NaN}',
        '{"a":Infinity}',
        "{'a':1}",
        "[" * 5000,
        '{"a":' * 1001 + "1" + "}" * 1001,
        '\u00a0{"a":1}',
        '{"event":null}',
        '{"@metadata":[]}',
        '[{"a":1},2]',
    ],
)
def test_text_that_is_not_json_stays_whole(line: str, tmp_path: Path) -> None:
    """A line that is no JSON, or that cannot be an event, stays whole in `message` with a tag."""
    (event,) = read([line], tmp_path)

    assert event["message"] == line
    assert event["tags"] == ["_jsonparsefailure"]


def test_bytes_that_are_not_utf_8_stay_readable(tmp_path: Path) -> None:
    """Such a line becomes a tagged event with the text as Ruby's `inspect` writes it."""
    (tmp_path / "stdin").write_bytes(b"")
    config = 'input { stdin { codec => json } } output { stdout { codec => line { format => "%{message} %{tags}" } } }'

    printed = printed_by(config, [b'{"a":"\xff"}'.decode("utf-8", "surrogateescape")], tmp_path)

    assert printed == [r"{\"a\":\"\xFF\"} _jsonparsefailure"]


@pytest.mark.parametrize("line", ["", "   ", "[]"])
def test_an_empty_text_gives_no_event(line: str, tmp_path: Path) -> None:
    """Blank lines and empty lists are no events."""
    assert read([line], tmp_path) == []


def test_a_list_gives_one_event_for_each_object(tmp_path: Path) -> None:
    """Every element of a JSON array is an event."""
    assert [event["a"] for event in read(['[{"a":1},{"a":2}]'], tmp_path)] == [1, 2]


def test_only_the_first_of_two_objects_counts(tmp_path: Path) -> None:
    """The codec ignores text after a complete object."""
    assert [event.get("a") for event in read(['{"a":1}{"b":2}', '{"a":2} {'], tmp_path)] == [1, 2]


def test_the_json_filter_takes_no_text_behind_an_object(tmp_path: Path) -> None:
    """Unlike the codec, the filter fails on trailing text, and merges nothing."""
    event = filtered_event('json { source => "m" }', {"m": '{"a":1} x'}, tmp_path)

    assert "a" not in event
    assert event["tags"] == ["_jsonparsefailure"]


def test_the_json_filter_merges_nothing_when_tags_are_illegal(tmp_path: Path) -> None:
    """If `tags` is not a list of text, the whole text fails."""
    event = filtered_event('json { source => "m" }', {"m": '{"a":1,"tags":{"x":1}}'}, tmp_path)

    assert "a" not in event
    assert event["tags"] == ["_jsonparsefailure"]


@pytest.mark.parametrize(
    ("patterns", "value", "expected"),
    [
        ('"UNIX_MS", "UNIX"', 1700000000, "1970-01-20T16:13:20.000Z"),
        ('"UNIX"', "1700000000.129", "2023-11-14T22:13:20.129Z"),
        ('"ISO8601"', "2024-02-29", "2024-02-29T00:00:00.000Z"),
        ('"ISO8601"', "2024-02-29T12:00:00,500Z", "2024-02-29T12:00:00.500Z"),
        ('"ISO8601"', "2024-02-29T12:00:00+0530", "2024-02-29T06:30:00.000Z"),
        ('"ISO8601"', "2024-02-29T12:00:00.123999Z", "2024-02-29T12:00:00.123Z"),
        ('"ISO8601"', "2024-02-29 12:00:00.500", "2024-02-29T12:00:00.500Z"),
        ('"ISO8601"', "2023-02-29T12:00:00Z", None),
        ('"ISO8601"', "", None),
        ('"TAI64N"', "@4000000050d506482dbdf024", "2012-12-22T01:00:46.767Z"),
        ('"yyMMddHHmmss"', "240229120000", "2024-02-29T12:00:00.000Z"),
        ('"EEE, d MMM yyyy hh:mm:ss a ZZZ"', "Thu, 29 Feb 2024 01:00:00 PM Asia/Shanghai", "2024-02-29T05:00:00.000Z"),
        ('"yyyy-DDD HH:mm"', "2024-060 12:00", "2024-02-29T12:00:00.000Z"),
        ("\"yyyy-MM-dd'T'HH:mm:ss.SSSZZ\"", "2024-02-29T12:00:00.25+01:00", "2024-02-29T11:00:00.250Z"),
    ],
)
def test_a_date_is_read_by_the_first_pattern_that_fits(
    patterns: str, value: Any, expected: str | None, tmp_path: Path
) -> None:
    """The time is cut to milliseconds; a text that fits no pattern tags the event, and the time stays."""
    event = filtered_event(f'date {{ match => ["t", {patterns}] timezone => "UTC" }}', {"t": value}, tmp_path)

    assert event["@timestamp"] == (expected or WHEN)
    assert event.get("tags") == (None if expected else ["_dateparsefailure"])


def test_a_date_that_is_missing_or_null_is_no_failure(tmp_path: Path) -> None:
    """Only a value can fail."""
    events = filtered('date { match => ["t", "ISO8601"] }', {}, {"t": None}, folder=tmp_path)

    assert [event.get("tags") for event in events] == [None, None]


def test_a_date_zone_may_come_from_the_event(tmp_path: Path) -> None:
    """`timezone` takes references; an unknown zone is a failure of that event."""
    filters = 'date { match => ["t", "yyyy-MM-dd HH:mm"] timezone => "%{zone}" }'
    good, bad = filtered(
        filters, {"t": "2024-07-01 08:00", "zone": "Asia/Shanghai"}, {"t": "2024-07-01 08:00"}, folder=tmp_path
    )

    assert good["@timestamp"] == "2024-07-01T00:00:00.000Z"
    assert bad["tags"] == ["_dateparsefailure"]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("%{empty}", ""),
        ("%{list}", "1,x"),
        ("%{null}-%{missing}", "%{null}-%{missing}"),
        ("%{big} %{small}", "1.0E10 1.0E-4"),
        ("100%% %s %{a}", "100%% %s 1"),
        ("%{+YYYY-MM-dd'T'HH} %{+e} %{+D} %{+yy} %{+MMMM} %{+SSSSSS} %{+hh a} %{+Z}", JODA_TEXT),
        ("%{{yyyy.MM.dd HH:mm:ss.SSSSSS}}", "2026.01.02 03:04:05.678901"),
        ("%{{uuuu-DDD Q EEEE}}", "2026-002 1 Friday"),
    ],
)
def test_references_in_a_text_are_replaced(template: str, expected: str, tmp_path: Path) -> None:
    """Lists are joined, null and missing fields stay as written, dates are UTC."""
    event = {"a": 1, "list": [1, "x"], "empty": [], "null": None, "big": 1e10, "small": 1e-4}

    assert filtered_event(f'mutate {{ add_field => {{ "out" => "{template}" }} }}', event, tmp_path)["out"] == expected


def test_a_repeated_add_field_makes_a_list(tmp_path: Path) -> None:
    """A field that is added twice has both values."""
    event = filtered_event('mutate { add_field => { "a" => "1" } add_field => { "a" => "2" } }', {}, tmp_path)

    assert event["a"] == ["1", "2"]


def test_a_field_name_may_contain_references(tmp_path: Path) -> None:
    """The names of fields to add, remove or rename may contain references."""
    filters = (
        'mutate { rename => { "%{from}" => "[x][%{to}]" } add_field => { "%{to}" => "v" } remove_field => ["%{gone}"] }'
    )
    event = filtered_event(filters, {"from": "a", "to": "b", "gone": "c", "a": 1, "c": 2}, tmp_path)

    assert event["x"] == {"b": 1}
    assert event["b"] == "v"
    assert "c" not in event


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("1.9", "integer", 1),
        ("1,234", "integer", 1234),
        ("1e3", "integer", 1000),
        ("0x1F", "integer", 31),
        (True, "integer", 1),
        ("1,234.5", "float", 1234.5),
        ("1.234,5", "float_eu", 1234.5),
        ("1.234", "integer_eu", 1234),
        (3, "float", 3.0),
        ("NO", "boolean", False),
        ("", "boolean", False),
        ("maybe", "boolean", "maybe"),
        (1e20, "string", "1.0e+20"),
        ({"a": 1}, "integer", {"a": 1}),
        (None, "integer", None),
        ([1, None, "2"], "string", ["1", None, "2"]),
    ],
)
def test_convert_gives_the_configured_type(value: Any, kind: str, expected: Any, tmp_path: Path) -> None:
    """Commas group digits, fractions are cut, objects and null stay."""
    event = filtered_event(f'mutate {{ convert => {{ "a" => "{kind}" }} }}', {"a": value}, tmp_path)

    assert (event["a"], type(event["a"])) == (expected, type(expected))


@pytest.mark.parametrize("value", ["x", "", "1x", ".", "1e9999"])
def test_a_failing_conversion_skips_the_rest_of_that_mutate(value: str, tmp_path: Path) -> None:
    """Earlier changes stay, later ones do not happen, and the next filter works."""
    filters = """mutate { rename => { "b" => "c" } convert => { "a" => "integer" } uppercase => ["c"]
      add_field => { "d" => "1" } add_tag => ["done"] remove_field => ["a"] } mutate { add_tag => ["next"] }"""
    event = filtered_event(filters, {"a": value, "b": "x"}, tmp_path)

    assert (event["a"], event["c"]) == (value, "x")
    assert "d" not in event
    assert event["tags"] == ["_mutate_error", "next"]


def test_mutate_cannot_make_the_time_a_text(tmp_path: Path) -> None:
    """`@timestamp` stays a time: setting it to anything else is a failure."""
    event = filtered_event('mutate { replace => { "@timestamp" => "x" } }', {}, tmp_path)

    assert event["@timestamp"] == WHEN
    assert event["tags"] == ["_mutate_error"]


def test_a_time_can_be_copied_and_put_back(tmp_path: Path) -> None:
    """A copied time is still a time."""
    filters = """mutate { copy => { "@timestamp" => "[x][t]" } }
      date { match => ["other", "ISO8601"] } mutate { rename => { "[x][t]" => "@timestamp" } }"""
    event = filtered_event(filters, {"other": "2020-01-01T00:00:00Z"}, tmp_path)

    assert event["@timestamp"] == WHEN
    assert "tags" not in event


@pytest.mark.parametrize(
    ("operation", "value", "expected"),
    [
        ('gsub => ["a", "(?<n>b+)", "<\\k<n>>"]', "abbc", "a<bb>c"),
        ('gsub => ["a", "^x", "y"]', "x\nx", "y\ny"),
        ('gsub => ["a", "[[:digit:]]+", "#"]', "a1b22", "a#b#"),
        ('gsub => ["a", "\\h+\\z", ""]', "xyz12af", "xyz"),
        ('gsub => ["a", "%{from}", "%{to}"]', "abc", "aXc"),
        ('gsub => ["a", "b", "x\\\\y"]', "abc", "ax\\yc"),
        ('split => { "a" => " " }', "  a  b ", ["a", "b"]),
        ('split => { "a" => "," }', "a,,b,,", ["a", "", "b"]),
        ('join => { "a" => "-" }', [1, [2, "x"], None, True], "1-2-x--true"),
        ('strip => ["a"]', "\t x \n", "x"),
        ('capitalize => ["a"]', ["aB", 1], ["Ab", 1]),
        ('rename => ["a", "b", "b", "a"]', "x", "x"),
    ],
)
def test_mutate_changes_texts_as_ruby_does(operation: str, value: Any, expected: Any, tmp_path: Path) -> None:
    """Patterns, replacements, splitting and joining follow Ruby."""
    event = filtered_event(f"mutate {{ {operation} }}", {"a": value, "from": "b", "to": "X"}, tmp_path)

    assert event["a"] == expected


def test_merge_makes_lists_and_does_not_mix_lists_with_objects(tmp_path: Path) -> None:
    """Several fields can be merged; an object and a text cannot."""
    event = filtered_event(
        'mutate { merge => { "a" => ["b", "c"] "l" => ["b", "c"] "d" => "b" } }',
        {"a": 1, "b": "x", "c": [2], "d": {}, "l": [0]},
        tmp_path,
    )

    assert event["a"] == [1, 2], "as in Logstash, a text or number is joined with the last source only"
    assert event["l"] == [0, "x", 2]
    assert event["d"] == {}


def test_fingerprint_is_sha1_of_message_into_event_hash(tmp_path: Path) -> None:
    """The defaults are those of Logstash."""
    event = filtered_event("fingerprint { }", {"message": "hello"}, tmp_path)

    assert event["event"]["hash"] == hashlib.sha1(b"hello").hexdigest()


def test_fingerprint_joins_sources_in_the_order_of_their_names(tmp_path: Path) -> None:
    """Names and values are between bars; a missing value is empty; the order of an object's fields does not matter."""
    filters = """fingerprint {
      source => ["b", "a", "x"] concatenate_sources => true key => "k" method => "SHA512" target => "h"
    }"""
    event = filtered_event(filters, {"a": {"z": 1, "y": None}, "b": "vb"}, tmp_path)

    text = b'|a|{"y"=>nil, "z"=>1}|b|vb|x||'
    assert event["h"] == hmac.new(b"k", text, "sha512").hexdigest()


def test_the_last_source_wins_if_sources_are_not_joined(tmp_path: Path) -> None:
    """Each source is hashed alone into the same target; a list gives a list."""
    event = filtered_event(
        'fingerprint { source => ["a", "b"] method => "MD5" target => "h" }', {"a": "x", "b": ["y"]}, tmp_path
    )

    assert event["h"] == [hashlib.md5(b"y").hexdigest()]


def test_fingerprint_has_methods_that_are_not_digests(tmp_path: Path) -> None:
    """A network, punctuation, and a random id."""
    filters = """fingerprint { source => "ip" method => "IPV4_NETWORK" key => "16" target => "net" }
      fingerprint { source => "text" method => "PUNCTUATION" target => "marks" }
      fingerprint { method => "UUID" target => "id" }"""
    event = filtered_event(filters, {"ip": "1.2.3.4", "text": "a-b, c!"}, tmp_path)

    assert (event["net"], event["marks"], len(event["id"])) == ("1.2.0.0", "-,!", 36)


def test_prune_matches_names_and_values(tmp_path: Path) -> None:
    """Fields are removed by name or value, elements of a list by value, unresolved names by default."""
    filters = """prune { blacklist_names => ["^x"] whitelist_values => { "a" => "^1" "l" => "^1" }
      blacklist_values => { "b" => "bad" "m" => "." } } mutate { add_field => { "%{nope}" => "1" } } prune { }"""
    event = filtered_event(filters, {"x1": 1, "a": "2", "l": ["12", "2"], "b": "good", "m": ["all"]}, tmp_path)

    assert {name for name in event if name[0] != "@"} == {"l", "b", "event"}
    assert event["l"] == ["12"]


@pytest.mark.parametrize(
    "operation",
    [
        'rename => { "n" => "tags" }',
        'copy => { "l" => "tags" }',
        'replace => { "[tags][0]" => "x" }',
        'copy => { "null" => "tags" } merge => { "tags" => "n" }',
    ],
)
def test_a_filter_cannot_make_tags_anything_but_texts(operation: str, tmp_path: Path) -> None:
    """A number, a list with one, or a name below `tags` is a failure; the tags stay."""
    event = filtered_event(f"mutate {{ {operation} }}", {"n": 5, "l": ["x", 1], "null": None, "tags": ["t"]}, tmp_path)

    assert event["tags"] == ["t", "_mutate_error"]


def test_a_tag_is_added_as_often_as_it_is_written(tmp_path: Path) -> None:
    """`add_tag` does not look for the tag; a failure is tagged once."""
    filters = """mutate { add_tag => ["a", "a"] } mutate { add_tag => "a" } mutate { convert => { "x" => "integer" } }
      mutate { convert => { "x" => "integer" } }"""
    event = filtered_event(filters, {"x": "no"}, tmp_path)

    assert event["tags"] == ["a", "a", "a", "_mutate_error"]


def test_entries_of_a_hash_are_done_in_the_order_of_java(tmp_path: Path) -> None:
    """The order of the written entries does not matter, so the same ones happen before one fails."""
    filters = 'mutate { convert => { "%s" => "integer" "%s" => "integer" } }'
    for names in (("st", "arr"), ("arr", "st")):
        event = filtered_event(filters % names, {"arr": "1", "st": "no"}, tmp_path)

        assert (event["arr"], event["st"]) == (1, "no")


def test_a_field_that_cannot_be_set_tags_the_event(tmp_path: Path) -> None:
    """A text has no fields: the filter that needs one tags the event, and the pipeline continues."""
    filters = 'json { source => "m" add_field => { "[a][b]" => "x" } } mutate { add_tag => ["next"] }'
    event = filtered_event(filters, {"m": "{}", "a": "text"}, tmp_path)

    assert event["tags"] == ["_json_error", "next"]


def test_a_value_that_a_filter_cannot_use_tags_the_event(tmp_path: Path) -> None:
    """A text is no address: the event is tagged, and the pipeline continues."""
    filters = 'fingerprint { source => "a" method => "IPV4_NETWORK" key => "16" } mutate { add_tag => ["next"] }'
    event = filtered_event(filters, {"a": "nowhere"}, tmp_path)

    assert event["tags"] == ["_fingerprint_error", "next"]


def test_an_input_that_cannot_set_a_field_tags_the_event(tmp_path: Path) -> None:
    """If a field that an input adds does not fit an event, the event is tagged and stays."""
    config = 'input { stdin { codec => json add_field => { "[a][b]" => "x" } } }' + OUT
    events = [orjson.loads(line) for line in printed_by(config, ['{"a":1}', '{"a":{}}'], tmp_path)]

    assert events[0]["tags"] == ["_stdin_error"]
    assert events[1]["a"] == {"b": "x"}


def test_an_event_without_newline_at_the_end_is_read(tmp_path: Path) -> None:
    """The last line of standard input counts although no newline ends it, and rubydebug prints it."""
    config = (
        'input { stdin { codec => plain } } filter { prune { whitelist_names => ["message"] } } output { stdout { } }'
    )

    assert printed_by(config, ["x"], tmp_path, ending="") == ["{", '    "message" => "x"', "}"]


def test_a_name_that_an_event_makes_impossible_tags_it(tmp_path: Path) -> None:
    """If an event gives a field name with a stray bracket, that event is tagged."""
    filters = 'mutate { add_field => { "%{name}" => "v" } } mutate { remove_field => ["%{name}"] }'
    event = filtered_event(filters, {"name": "a[b"}, tmp_path)

    assert event["tags"] == ["_mutate_error"]


def test_metadata_takes_several_values(tmp_path: Path) -> None:
    """`@metadata` may contain lists, like every other field."""
    filters = """mutate { add_field => { "[@metadata][x]" => "1" } } mutate { add_field => { "[@metadata][x]" => "2" } }
      mutate { add_field => { "out" => "%{[@metadata][x]}" } }"""

    assert filtered_event(filters, {}, tmp_path)["out"] == "1,2"


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("a\\Z", "a\n", True),
        ("a\\z", "a\n", False),
        ("\\Aa", "b\na", False),
        ("[\\h]{3}", "xAf1", True),
        ("a.b", "a\nb", False),
        ("\\d", "٣", False),
    ],
)
def test_patterns_match_as_in_ruby(pattern: str, text: str, expected: bool, tmp_path: Path) -> None:
    """Anchors, hexadecimal digits, the dot and digits follow Ruby."""
    event = filtered_event(f'if [t] =~ /{pattern}/ {{ mutate {{ add_tag => ["yes"] }} }}', {"t": text}, tmp_path)

    assert ("tags" in event) is expected


@pytest.mark.parametrize(
    ("value", "cut"),
    [
        ("12345", "1234"),
        ("äöü", "äö"),
        ("abcä", "abc"),
        ("€€", "€"),
        (["12345", 12345, {"a": "12345"}], ["1234", 12345, {"a": "12345"}]),
        ({"a": "12345", "b": {"c": ["äöü"]}}, {"a": "1234", "b": {"c": ["äö"]}}),
        (12345, 12345),
    ],
)
def test_texts_are_cut_by_bytes(value: Any, cut: Any, tmp_path: Path) -> None:
    """`truncate` counts bytes, never breaks a character, and cuts texts in objects and lists as well."""
    assert (
        filtered_event('truncate { fields => ["a", "missing"] length_bytes => 4 }', {"a": value}, tmp_path)["a"] == cut
    )
