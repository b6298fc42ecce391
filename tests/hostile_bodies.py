"""Bodies and headers of requests that nobody should send: right ones with places replaced, damaged or compressed."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from tests.hostile_texts import HOSTILE_TEXTS

DEEP = 3000
NUMBERS = (0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**400, 0.1, -0.0, 1e-320, 1e300, float("nan"), float("inf"), True)
TEXTS = (*HOSTILE_TEXTS, "", "\ud800", "0", "1e999", "é" * 300, "x" * 70_000, "NaN")
KEYS = (
    "instances",
    "inputs",
    "examples",
    "context",
    "labels",
    "features",
    "b64",
    "score",
    "",
    "a.b",
    "\ud800",
    "x" * 300,
)
FORMATS = ("application/json", "application/json; charset=utf-16", "text/plain", "application/x-msgpack", "", "a" * 300)
CODINGS = ("gzip", "GZIP", "identity", "br", "gzip, gzip", "deflate", "\x7f")


def _leaves() -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), st.sampled_from(NUMBERS), st.sampled_from(TEXTS))


VALUES: st.SearchStrategy[Any] = st.recursive(
    _leaves(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=8,
)


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Return every list or object of a body, with each of its places."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, item in inner for place in [(value, key), *_places(item)]]


@st.composite
def changed(draw: st.DrawFn, body: Any) -> Any:
    """Return a body of which some places hold another value, are gone, or have a neighbour."""
    copy = json.loads(json.dumps(body))
    for _ in range(draw(st.integers(0, 3))):
        if not (places := _places(copy)):
            break
        holder, key = draw(st.sampled_from(places))
        action = draw(st.sampled_from(("replace", "replace", "remove", "add", "repeat")))
        if action == "replace":
            holder[key] = draw(VALUES)
        elif action == "remove":
            del holder[key]
        elif isinstance(holder, dict):
            holder[draw(st.sampled_from(KEYS))] = draw(VALUES)
        else:
            holder.extend([holder[key]] * (draw(st.sampled_from((1, 600))) if action == "repeat" else 1))
    return copy


@st.composite
def damaged(draw: st.DrawFn, text: bytes) -> bytes:
    """Return the bytes of a body, perhaps cut, doubled, in another encoding, or with other bytes in them."""
    place = draw(st.integers(0, len(text)))
    return draw(
        st.sampled_from(
            (
                text,
                text,
                text,
                text[:place],
                text[:place] + b"\xff" + text[place:],
                text[:place] + b"\x00" + text[place:],
                text[:place] + b"[" * DEEP + text[place:],
                b'{"a":' * DEEP + text,
                text + text,
                b"\xef\xbb\xbf" + text,
                text.replace(b"{", b'{"instances":[],"instances":[{}],', 1),
                text.replace(b":", b':1e400,"b":', 1),
                text.decode("utf-8", "surrogatepass").encode("utf-16", "surrogatepass"),
                b"",
            )
        )
    )


@st.composite
def headers(draw: st.DrawFn) -> dict[str, str]:
    """Return headers of a request; most say what is right."""
    lines = {"Content-Type": draw(st.sampled_from(("application/json",) * 8 + FORMATS))}
    if draw(st.integers(0, 5)) == 0:
        lines["Content-Encoding"] = draw(st.sampled_from(CODINGS))
    if draw(st.integers(0, 5)) == 0:
        lines["X-Request-Id"] = draw(st.sampled_from(("r" * 500, "a b", "é", "")))
        lines["traceparent"] = draw(
            st.sampled_from(("00-" + "0" * 32 + "-" + "0" * 16 + "-01", "x" * 1000, "ff-a-b-c"))
        )
    return lines


@st.composite
def requests(draw: st.DrawFn, bodies: Mapping[str, Sequence[Any]]) -> tuple[str, bytes, dict[str, str]]:
    """Return path, body and headers; `bodies` are the right ones of each path."""
    path = draw(st.sampled_from(sorted(bodies)))
    text = json.dumps(draw(changed(draw(st.sampled_from(bodies[path])))), ensure_ascii=draw(st.booleans()))
    body, lines = draw(damaged(text.encode("utf-8", "surrogatepass"))), draw(headers())
    if lines.get("Content-Encoding", "").lower() == "gzip":
        zipped = gzip.compress(body)
        body = draw(
            st.sampled_from(
                (zipped, zipped, zipped[:-3], zipped + zipped, zipped + b"x", body, gzip.compress(bytes(2**22)))
            )
        )
    return path, body, lines
