"""The palette, seen by people who lack one kind of cone."""

from __future__ import annotations

import math
from itertools import combinations

import pytest

from monitor_agent.dashboards.palette import SERIES, colors_of

STATUS = ("#008a5e", "#c61e25", "#d18b00", "#4ad2a0", "#ff8a7f")
"""The colours of `viewer.css` that say good, bad and doubtful."""
JUST_DISTINCT = 20.0
"""Distance in CIELAB of two colours that people tell apart at a glance, also in thin lines."""
Rgb = tuple[float, float, float]
SIMULATIONS = {
    # Machado, Oliveira, Fernandes 2009: severity 1.0, on linear RGB.
    "normal": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.3039)),
}


def linear(color: str) -> Rgb:
    """Return linear RGB of an sRGB colour (IEC 61966-2-1)."""
    red, green, blue = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    bent = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in (red, green, blue)]
    return bent[0], bent[1], bent[2]


def lab(rgb: Rgb) -> Rgb:
    """Return CIELAB (D65) of linear RGB."""
    red, green, blue = (min(1.0, max(0.0, value)) for value in rgb)
    x = (0.4124564 * red + 0.3575761 * green + 0.1804375 * blue) / 0.95047
    y = 0.2126729 * red + 0.7151522 * green + 0.072175 * blue
    z = (0.0193339 * red + 0.119192 * green + 0.9503041 * blue) / 1.08883
    fx, fy, fz = (value ** (1 / 3) if value > 0.008856 else 7.787 * value + 16 / 116 for value in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def perceived(color: str, vision: str) -> Rgb:
    """Return CIELAB of a colour as somebody with this vision sees it."""
    rgb = linear(color)
    red, green, blue = (
        sum(weight * value for weight, value in zip(row, rgb, strict=True)) for row in SIMULATIONS[vision]
    )
    return lab((red, green, blue))


@pytest.mark.parametrize("vision", SIMULATIONS)
def test_everybody_tells_the_colours_of_series_apart(vision: str) -> None:
    """Any two of the eight colours differ clearly."""
    pairs = {(a, b): math.dist(perceived(a, vision), perceived(b, vision)) for a, b in combinations(SERIES, 2)}

    assert min(pairs.values()) >= JUST_DISTINCT, min(pairs, key=lambda pair: pairs[pair])


def test_no_series_looks_like_a_status() -> None:
    """A line that is only named like that must not look like an alarm, or like all is well."""
    assert min(math.dist(lab(linear(a)), lab(linear(b))) for a in SERIES for b in STATUS) >= JUST_DISTINCT


def test_a_name_keeps_its_colour_on_all_pages() -> None:
    """The order of the cluster's names decides, not what a page shows of them; a new name takes no other's colour."""
    ordered = ["churn/1", "click/1", "churn/2"]
    everywhere = colors_of([["churn/2", "click/1"]], ordered)

    assert len(set(everywhere.values())) == len(ordered)
    assert colors_of([["churn/2"]], [*ordered, "click/2"])["churn/2"] == everywhere["churn/2"]
