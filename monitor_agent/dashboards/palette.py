"""Colours: a palette for series, with one colour for a name on all panels; light and dark (pure)."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import Any

SERIES = ("#326EC8", "#AA5A14", "#AA8CD2", "#64C864", "#B41E6E", "#C8BE3C", "#648C50", "#F0AAD2")
"""People with any colour vision can distinguish these colours, on light and dark pages; no status has one of them."""

WEAK = "#8A93A3"
"""The colour of values that few events are behind, and of whatever stands for no name."""

CJK_FONTS = (
    "'Noto Sans CJK SC', 'Source Han Sans SC', 'PingFang SC', 'Hiragino Sans', 'Microsoft YaHei', 'Malgun Gothic', "
    "'WenQuanYi Zen Hei'"
)
"""Fonts with Chinese, Japanese and Korean characters."""
FONT = (
    "Inter, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'Liberation Sans', 'DejaVu Sans', 'Noto Sans', "
    f"{CJK_FONTS}, sans-serif"
)


def colors_of(charts: Iterable[Iterable[str]], ordered: Sequence[str] = ()) -> dict[str, str]:
    """Return a colour for each name; it follows from the name, so that it stays when other names come and go.

    Parameters
    ----------
    charts : the names on each chart; they get different colours if there are enough.
    ordered : names that have the colours of the palette in this order, on all pages; new names come last.

    >>> colors_of([["1"]])["1"] == colors_of([["0", "1", "2"]])["1"]
    True
    >>> colors_of([["b/1"]], ["a/1", "b/1"])["b/1"] == SERIES[1]
    True
    """
    colors = {name: SERIES[number % len(SERIES)] for number, name in enumerate(ordered)}
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
