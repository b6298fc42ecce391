"""The figures of `predict` for readers: tables in Markdown and a picture in SVG."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from html import escape
from pathlib import Path
from statistics import median

from benchmarks.rig.predict_figures import (
    BODIES,
    DEMO,
    MINILM,
    ONE_CLIENT,
    PRODUCT,
    SINGLES,
    WITHOUT_EVENTS,
    WORKS,
    Comparison,
    Figure,
    Results,
    Work,
)
from benchmarks.rivals.serving import RIVALS, TENSORFLOW

PAGE, PICTURE = "speed.md", "speed.svg"
BEGIN, END = "<!-- figures: begin -->\n", "<!-- figures: end -->\n"
SERVERS = (PRODUCT, *(rival.name for rival in RIVALS))
COLUMN, BAR_LEFT, BAR_WIDTH, BAR_HEIGHT, ROW, PANEL_GAP = 500, 120, 270, 18, 26, 30
BLUE, GREY, INK, DIM = "#3b73af", "#b6bcc6", "#111827", "#4b5563"


def write(results: Results, rows: Sequence[Comparison], out: Path, docs: Path | None) -> None:
    """Write the tables and the picture into a folder; with `docs`, also into the page and the pictures there."""
    out.mkdir(parents=True, exist_ok=True)
    text, drawing = tables(results, rows), picture(results)
    (out / PAGE).write_text(text, encoding="utf-8")
    (out / PICTURE).write_text(drawing, encoding="utf-8")
    if docs is not None:
        before, _, rest = (docs / PAGE).read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        (docs / PAGE).write_text(before + BEGIN + text + END + after, encoding="utf-8")
        (docs / "images" / PICTURE).write_text(drawing, encoding="utf-8")


def tables(results: Results, rows: Sequence[Comparison]) -> str:
    """Return the conditions of a run, what must be reached, and the figures of each server."""
    versions = ", ".join([rival.packages[0] for rival in RIVALS] + [TENSORFLOW[0]]).replace("==", " ")
    lines = [
        f"![Speed beside other servers](images/{PICTURE})",
        "",
        f"Measured on {datetime.now(timezone.utc):%Y-%m-%d}: {_processor()}, {os.cpu_count()} cores, Python"
        f" {platform.python_version()}, {versions}.",
        "",
        "| figure | value | must be | moonshot | reached |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        sign = ">=" if row.is_least else "<="
        moonshot = f"{sign} {row.moonshot:g}" if row.moonshot else ""
        met = "yes" if row.is_met else "no"
        lines.append(f"| {row.subject} | {row.value:.2f} {row.unit} | {sign} {row.bar:g} | {moonshot} | {met} |")
    lines += [
        "",
        f"A full collection, which follows only when a version is unloaded, takes {results.full_pause:.1f} ms at most.",
    ]
    for model, works in WORKS.items():
        for work in works:
            lines += ["", *_figures_table(results, model, work)]
    return "\n".join(lines) + "\n"


def _figures_table(results: Results, model: str, work: Work) -> Iterator[str]:
    yield f"| {model}: {work.name} | requests a second | processor time, us | median, ms | 99th percentile, ms |"
    yield "|---|---|---|---|---|"
    for server in (PRODUCT, WITHOUT_EVENTS, *SERVERS[1:]):
        if figures := results.of(server, work, model):
            name = results.options[model, work.name, server]
            rate, cpu = _middle(figures, "rate"), _middle(figures, "cpu")
            times = f"{_middle(figures, 'middle'):.1f} | {_middle(figures, 'high'):.1f}"
            yield f"| {name} | {rate:,.0f} | {cpu:,.0f} | {times} |"
    if work is BODIES and model == DEMO:
        rate = median(results.bare_rates) / BODIES.size
        yield f"| the bare signature in a loop | {rate:,.0f} | | {1e3 / rate:.1f} | |"


def picture(results: Results) -> str:
    """Return a drawing with a panel of bars for each question."""
    limit = median(results.bare_rates)
    panels = [
        _panel("Single instances, 64 clients: requests a second", _values(results, SINGLES, "rate")),
        _panel("Single instances, 64 clients: processor time, us", _values(results, SINGLES, "cpu")),
        _panel(
            "Bodies of 64: instances a second",
            [(name, value * BODIES.size) for name, value in _values(results, BODIES, "rate")],
            limit,
        ),
        _panel("Single instances, one client: median, ms", _values(results, ONE_CLIENT, "middle")),
        _panel("MiniLM's size, 64 clients: requests a second", _values(results, SINGLES, "rate", MINILM)),
        _panel("MiniLM's size, 64 clients: processor time, us", _values(results, SINGLES, "cpu", MINILM)),
    ]
    height = 44 + ROW * len(SERVERS) + PANEL_GAP
    total = height * ((len(panels) + 1) // 2)
    elements = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * COLUMN} {total}" width="{2 * COLUMN}"'
        f' height="{total}" role="img" aria-label="Speed of /predict beside other servers">',
        f"<style>text{{font:13px system-ui,sans-serif;fill:{INK}}}.t{{font-weight:600;font-size:15px}}"
        f".d{{fill:{DIM}}}</style>",
        f'<rect width="{2 * COLUMN}" height="{total}" fill="#ffffff"/>',
    ]
    for place, panel in enumerate(panels):
        elements.append(f'<g transform="translate({place % 2 * COLUMN} {place // 2 * height})">{panel}</g>')
    return "\n".join([*elements, "</svg>"]) + "\n"


def _panel(title: str, bars: Sequence[tuple[str, float]], limit: float = 0.0) -> str:
    most = max([value for _, value in bars] + [limit], default=1.0)
    elements = [f'<text x="20" y="32" class="t">{escape(title)}</text>']
    for place, (name, value) in enumerate(bars):
        top = 44 + ROW * place
        width = BAR_WIDTH * value / most
        colour = BLUE if name == PRODUCT else GREY
        elements.append(f'<text x="{BAR_LEFT - 8}" y="{top + 14}" text-anchor="end">{escape(name)}</text>')
        elements.append(f'<rect x="{BAR_LEFT}" y="{top}" width="{width:.1f}" height="{BAR_HEIGHT}" fill="{colour}"/>')
        elements.append(f'<text x="{BAR_LEFT + width + 6:.1f}" y="{top + 14}" class="d">{_short(value)}</text>')
    if limit:
        x = BAR_LEFT + BAR_WIDTH * limit / most
        bottom = 44 + ROW * len(bars)
        elements.append(f'<path d="M{x:.1f} 40V{bottom}" stroke="{DIM}" stroke-dasharray="4 3" fill="none"/>')
        elements.append(
            f'<text x="{x:.1f}" y="{bottom + 14}" text-anchor="middle" class="d">bare signature: {_short(limit)}</text>'
        )
    return "".join(elements)


def _values(results: Results, work: Work, attribute: str, model: str = DEMO) -> list[tuple[str, float]]:
    figures = [(name, results.of(name, work, model)) for name in SERVERS]
    return [(name, _middle(runs, attribute)) for name, runs in figures if runs]


def _middle(figures: Sequence[Figure], attribute: str) -> float:
    return median(float(getattr(figure, attribute)) for figure in figures)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 20 else f"{value:.1f}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
