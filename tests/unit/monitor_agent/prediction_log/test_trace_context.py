"""The caller's trace, in the format of https://www.w3.org/TR/trace-context/."""

from __future__ import annotations

import pytest

from monitor_agent.prediction_log.trace_context import Trace, parse

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize("header", [f"00-{TRACE}-{SPAN}-01", f" 00-{TRACE}-{SPAN}-00 ", f"01-{TRACE}-{SPAN}-01-more"])
def test_a_valid_header_names_trace_and_span(header: str) -> None:
    """Later versions may append values; the first four values are read."""
    assert parse(header) == Trace(TRACE, SPAN)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "trace",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}",
    ],
)
def test_an_invalid_header_is_ignored(header: str) -> None:
    """An invalid header gives no trace, and the request is not refused."""
    assert parse(header) is None
