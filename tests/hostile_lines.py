"""Event lines and HTTP bodies with values that nobody expects: the JSON text of events, changed in places."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from tests.factories import make_error, make_feedback, make_prediction, make_release

Pairs = list[list[Any]]
"""An object as pairs of a name and a value, so that a name may be there twice; an innermost value is JSON text."""

_PREDICTION = make_prediction()
_BASES = (_PREDICTION, make_feedback(_PREDICTION), make_error(), make_release())
_RAW = (
    *("null", "true", "false", "0", "-0", "1", "-1", "0.5", "1.0", "2", "1e-5", "1E400", "-1e999", "1e-999"),
    *("9223372036854775807", "9223372036854775808", "123456789012345678901234567890", "0.1234567890123456789"),
    *(
        '""',
        '" "',
        '"3.5"',
        '"all"',
        '"binary"',
        '"multiclass"',
        '"regression"',
        '"model.prediction"',
        '"model.feedback"',
        '"model.release"',
        '"version-refused"',
    ),
    *(
        r'"\ud800"',
        r'"\udc00\ud800"',
        r'"\u0000"',
        r'"\u001b[31m"',
        '"\x7f"',
        '"\u2028"',
        '"%{[@metadata][index]}"',
        '"${HOME}"',
    ),
    *(
        "[]",
        "{}",
        "[null]",
        "[[]]",
        '["a","a"]',
        '{"":1}',
        '{"a.b":1}',
        '{".":1}',
        '{"[a":1}',
        '{"a":{"b":{"c":[1,"2",null]}}}',
    ),
    *("[" * 60 + "]" * 60, '{"a":' * 130 + "1" + "}" * 130, "[" * 1100 + "]" * 1100),
    *(
        '"1969-12-31T23:59:59Z"',
        '"2126-01-01T00:00:00Z"',
        '"2026-02-30T00:00:00Z"',
        '"2026-01-02T03:04:05+23:59"',
        '"now"',
    ),
    *('"' + "x" * 257 + '"', '"' + "é" * 300 + '"', '"' + "y" * 9000 + '"', '"' + "z" * 40_000 + '"'),
    *('"6F9619FF-8B86-D011-B42D-00CF4FC964FF"', '"{6f9619ff-8b86-d011-b42d-00cf4fc964ff}"'),
)
_NAMES = (
    *(
        "@metadata",
        "@version",
        "@timestamp",
        "tags",
        "host",
        "log",
        "event",
        "message",
        "line",
        "error",
        "_id",
        "_index",
        "",
    ),
    *(
        "[a",
        "a]",
        "[a][b]",
        "[@metadata][index]",
        "a.b",
        ".",
        "%{x}",
        "prediction",
        "feedback",
        "labels",
        "\ud83d\ude00",
        "[line]",
    ),
    *("score", "label", "kind", "class", "value", "truth", "id", "dataset", "timestamp", "status", "name", "version"),
    *(
        "action",
        "outcome",
        "release",
        "source",
        "model_name",
        "assignment",
        "propensity",
        "unit",
        "engine",
        "primary_id",
    ),
)
VALUES = st.one_of(
    st.sampled_from(_RAW),
    st.text(max_size=40).map(json.dumps),
    st.floats(allow_nan=False, allow_infinity=False).map(json.dumps),
    st.integers(-(2**80), 2**80).map(str),
)
NAMES = st.sampled_from(_NAMES) | st.text(max_size=8)
_ENDS = (b"", b" ", b"\r", b"}", b" x", b'{"b":2}', b",", b"\x00", b"\xff", b"\xe2\x82")


def pairs_of(value: Any) -> Any:
    """Return a JSON value with its objects as pairs."""
    if isinstance(value, dict):
        return [[name, pairs_of(item)] for name, item in value.items()]
    return json.dumps(value)


def text_of(pairs: Any) -> str:
    """Return pairs as JSON text."""
    if isinstance(pairs, str):
        return pairs
    return "{" + ",".join(f"{json.dumps(name)}:{text_of(item)}" for name, item in pairs) + "}"


def objects_in(pairs: Pairs) -> list[Pairs]:
    """Return the object and all objects in it."""
    inner = [item for _, item in pairs if isinstance(item, list)]
    return [pairs, *(deeper for item in inner for deeper in objects_in(item))]


@st.composite
def event_texts(draw: st.DrawFn) -> str:
    """An event with some names and values changed, added, removed or written twice."""
    event = pairs_of(draw(st.sampled_from(_BASES)))
    for _ in range(draw(st.integers(0, 4))):
        holder = draw(st.sampled_from(objects_in(event)))
        change = draw(st.sampled_from(("set", "set", "add", "remove", "repeat", "rename")))
        if change == "add" or not holder:
            holder.append([draw(NAMES), draw(VALUES)])
            continue
        number = draw(st.integers(0, len(holder) - 1))
        if change == "set":
            holder[number][1] = draw(VALUES)
        elif change == "remove":
            del holder[number]
        elif change == "rename":
            holder[number][0] = draw(NAMES)
        else:
            holder.append([holder[number][0], draw(VALUES)])
    return text_of(event)


@st.composite
def event_lines(draw: st.DrawFn) -> bytes:
    """A line: an event, a list of events, or something that is neither."""
    form = draw(st.sampled_from((*["event"] * 12, "list", "list", "cut", "bytes", "value")))
    if form == "bytes":
        return draw(st.binary(max_size=60)).replace(b"\n", b" ")
    if form == "value":
        return draw(VALUES).encode("utf-8", "surrogatepass")
    if form == "list":
        elements = draw(st.lists(event_texts() | VALUES, max_size=3))
        return ("[" + ",".join(elements) + "]").encode("utf-8", "surrogatepass")
    line = draw(event_texts()).encode("utf-8", "surrogatepass")
    if form == "cut":
        place = draw(st.integers(0, len(line)))
        line = line[:place] + draw(st.sampled_from(_ENDS)) + line[place + draw(st.integers(0, 3)) :]
    return line + draw(st.sampled_from((*[b""] * 40, *_ENDS)))
