"""Colours: Kibana's palette for series, with one colour for a value on all panels; light and dark (pure)."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any

SERIES = (
    *("#54B399", "#6092C0", "#D36086", "#9170B8", "#CA8EAE"),
    *("#D6BF57", "#B9A888", "#DA8B45", "#AA6556", "#E7664C"),
)
"""Kibana's palette; people with any colour vision can distinguish its colours."""

FONT = "Inter, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'Liberation Sans', sans-serif"


def colors_of(charts: Iterable[Iterable[str]]) -> dict[str, str]:
    """Return a colour for each name; it follows from the name, so that it stays when other names come and go.

    Parameters
    ----------
    charts : the names on each chart; they get different colours if there are enough.

    >>> colors_of([["1"]])["1"] == colors_of([["0", "1", "2"]])["1"]
    True
    """
    colors: dict[str, str] = {}
    for names in charts:
        together = sorted(set(names))
        used = {colors[name] for name in together if name in colors}
        for name in together:
            if name not in colors:
                first = zlib.crc32(name.encode()) % len(SERIES)
                order = SERIES[first:] + SERIES[:first]
                colors[name] = next((color for color in order if color not in used), order[0])
                used.add(colors[name])
    return colors


def vega_config(*, dark: bool) -> dict[str, Any]:
    """Return the theme of the charts."""
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
        # A screen reader gets one summary of the chart instead of hundreds of described marks.
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
