"""Values as text for people."""

from __future__ import annotations

from typing import Any

import pytest

from monitor_agent.dashboards.formats import scale, signed, text

MILLISECONDS = {"id": "duration", "params": {"fromUnit": "nanoseconds", "toUnit": "asMilliseconds", "decimals": 0}}
PRECISE = {
    "id": "duration",
    "params": {"inputFormat": "milliseconds", "outputFormat": "humanizePrecise", "outputPrecision": 1},
}


@pytest.mark.parametrize(
    ("value", "format_", "kind", "expected"),
    [
        (1234567.891, None, "number", "1,234,567.891"),
        (12, None, "string", "12"),
        (0.00467, {"id": "percent", "params": {"decimals": 2}}, "number", "0.47 %"),
        (0.5, {"id": "percent", "params": {"pattern": "0.0%"}}, "number", "50.0 %"),
        (-0.00001, {"id": "percent", "params": {"decimals": 1}}, "number", "0.0 %"),
        (-0.25, {"id": "number", "params": {"decimals": 2}}, "number", "\N{MINUS SIGN}0.25"),
        (1234.5, {"id": "number", "params": {"pattern": "0,0"}}, "number", "1,234"),
        (0.12345, {"id": "number", "params": {"pattern": "0.0000"}}, "number", "0.1235"),
        (15300, {"id": "number", "params": {"decimals": 1, "compact": True}}, "number", "15.3K"),
        (3, {"id": "number", "params": {"decimals": 0, "suffix": " pieces"}}, "number", "3 pieces"),
        (12_345_678, MILLISECONDS, "number", "12 ms"),
        (4_000, PRECISE, "number", "4.0 s"),
        (5_400_000, PRECISE, "number", "1.5 h"),
        (0, PRECISE, "number", "0.0 ms"),
        (1536, {"id": "bytes", "params": {"pattern": "0,0.0b"}}, "number", "1.5 KB"),
        (1_574_553_600_000, None, "date", "2019-11-24 00:00"),
        (1_574_553_601_250, None, "date", "2019-11-24 00:00:01.250"),
        ("2026-11-23T10:00:00.123456Z", None, "date", "2026-11-23 10:00:00.123"),
        (True, None, "boolean", "true"),
        (None, None, "number", "–"),
        ("", None, "string", "–"),
    ],
)
def test_a_value_is_written_in_its_format(value: Any, format_: Any, kind: str, expected: str) -> None:
    """Decimals, units and separators follow Kibana's format; a missing value is a dash."""
    assert text(value, format_, kind) == expected


def test_a_change_has_its_sign() -> None:
    """An increase has a plus, a decrease has a minus; 0 and a missing value have no sign."""
    percent = {"id": "percent", "params": {"decimals": 1}}

    assert [signed(value, percent) for value in (0.1, -0.1, 0, None)] == [
        "+10.0 %",
        "\N{MINUS SIGN}10.0 %",
        "0.0 %",
        "–",
    ]


def test_an_axis_has_the_unit_that_fits_its_greatest_value() -> None:
    """If the format does not fix the unit, milliseconds up to an hour and a half are drawn in hours."""
    assert scale(PRECISE, 5_400_000).factor == pytest.approx(1 / 3_600_000)
    assert "' h'" in scale(PRECISE, 5_400_000).label
    assert scale(MILLISECONDS, 5e12).factor == pytest.approx(1e-6)
