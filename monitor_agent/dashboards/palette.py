"""Colours: Kibana's own for series, the same value in the same colour on every panel; light and dark (pure)."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any

SERIES = (
    *("#54B399", "#6092C0", "#D36086", "#9170B8", "#CA8EAE"),
    *("#D6BF57", "#B9A888", "#DA8B45", "#AA6556", "#E7664C"),
)
"""Kibana's palette, which people with any colour vision can tell apart."""

FONT = "Inter, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'Liberation Sans', sans-serif"


def colors_of(charts: Iterable[Iterable[str]]) -> dict[str, str]:
    """Return a colour for each name: chosen by the name itself, so that it stays when others come and go.

    Parameters
    ----------
    charts : the names that are seen together; these get colours that differ, while there are enough.

    >>> colors_of([["1"]])["1"] == colors_of([["0", "1", "2"]])["1"]
    True
    """
    found: dict[str, str] = {}
    for names in charts:
        together = sorted(set(names))
        used = {found[name] for name in together if name in found}
        for name in together:
            if name not in found:
                first = zlib.crc32(name.encode()) % len(SERIES)
                order = SERIES[first:] + SERIES[:first]
                found[name] = next((color for color in order if color not in used), order[0])
                used.add(found[name])
    return found


def vega_config(*, dark: bool) -> dict[str, Any]:
    """Return the look of the charts."""
    text, line, domain = ("#A0A8BB", "#2B3142", "#434B60") if dark else ("#5A6376", "#E7EBF3", "#CAD3E2")
    axis = {
        "labelColor": text,
        "titleColor": text,
        "gridColor": line,
        "domainColor": domain,
        "tickColor": domain,
        "labelFont": FONT,
        "titleFont": FONT,
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "labelPadding": 5,
        "titlePadding": 8,
        "tickSize": 4,
    }
    return {
        # A chart as a whole says what it shows: hundreds of described marks help nobody who listens.
        "aria": False,
        "background": "transparent",
        "font": FONT,
        "view": {"stroke": None},
        "axis": axis,
        "axisX": {"grid": False},
        "axisY": {"domain": False, "ticks": False},
        "text": {"color": text, "font": FONT, "fontSize": 11},
        "rule": {"color": text},
    }
