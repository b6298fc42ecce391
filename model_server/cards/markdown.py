"""The page of a model card: Markdown of what the card holds (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

TABLES = "tables"
DIGITS = 4
"""Significant digits of a number with a fraction on the page; the JSON has all."""


def markdown(card: Mapping[str, Any]) -> str:
    """Return the page of a card: a heading for each section that the card has, in the order of Mitchell et al.

    >>> print(markdown({"model_details": {"name": "click", "version": "1"}, "decision_threshold": {"value": 0.25}}))
    # Model card: click, version 1
    <BLANKLINE>
    ## Model details
    <BLANKLINE>
    - name: click
    - version: 1
    <BLANKLINE>
    ## Decision threshold
    <BLANKLINE>
    - value: 0.25
    <BLANKLINE>
    """
    details = card.get("model_details", {})
    title = f"Model card: {details.get('name', 'a model')}, version {details.get('version', 'unknown')}"
    blocks = [f"# {title}"]
    for name, heading, render in SECTIONS:
        if card.get(name):
            blocks += [f"## {heading}", *render(card[name])]
    return "\n\n".join(block for block in blocks if block) + "\n"


def text_of(value: Any) -> str:
    """Return a value of a card as the page writes it: in one line, and no markup.

    >>> text_of("a|b\\n# c")
    'a\\\\|b # c'
    """
    plain = "".join(char if char.isprintable() else " " for char in plain_text(value))
    return plain.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "'")


def plain_text(value: Any) -> str:
    """Return a value of a card as text.

    >>> plain_text(0.123456789), plain_text(12345), plain_text(True), plain_text(None), plain_text(["a", 2])
    ('0.1235', '12,345', 'yes', '-', 'a, 2')
    """
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return f"{value:.{DIGITS}g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name.replace('_', ' ')} {plain_text(entry)}" for name, entry in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(plain_text(entry) for entry in value)
    return str(value)


def _facts(facts: Mapping[str, Any]) -> list[str]:
    lines = [f"- {name.replace('_', ' ')}: {text_of(value)}" for name, value in facts.items() if name != TABLES]
    return [*(["\n".join(lines)] if lines else []), *_tables(facts.get(TABLES, ()))]


def _sentences(sentences: Iterable[Any]) -> list[str]:
    return ["\n".join(f"- {text_of(sentence)}" for sentence in sentences)]


def _use(use: Mapping[str, Any]) -> list[str]:
    blocks = list(_sentences(use["primary"])) if use.get("primary") else []
    if use.get("out_of_scope"):
        blocks += ["Out of scope:", *_sentences(use["out_of_scope"])]
    return blocks


def _table(columns: Sequence[Any], rows: Iterable[Sequence[Any]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(text_of(cell) for cell in line)} |" for line in lines)


def _tables(tables: Iterable[Mapping[str, Any]]) -> list[str]:
    blocks = []
    for entry in tables:
        blocks += [f"{text_of(entry['title'])}:", _table(entry["columns"], entry["rows"])]
    return blocks


def _data(data: Mapping[str, Any]) -> list[str]:
    lists = ("files", "cleaning", "features")
    blocks = _facts({name: value for name, value in data.items() if name not in lists})
    if data.get("files"):
        rows = [[file["name"], file["bytes"], file["rows"], file["sha256"]] for file in data["files"]]
        blocks.append(_table(["file", "bytes", "rows", "SHA-256"], rows))
    if data.get("cleaning"):
        rows = [[step["rule"], step["rows"], step["action"]] for step in data["cleaning"]]
        blocks.append(_table(["cleaning", "rows", "what became of them"], rows))
    if data.get("features"):
        blocks.append(
            _table(["column", "use", "type", "missing", "distinct", "values"], map(_feature, data["features"]))
        )
    return blocks


def _feature(feature: Mapping[str, Any]) -> list[Any]:
    named = ("name", "use", "type", "missing", "distinct", "top_values")
    values = [f"{name.replace('_', ' ')} {plain_text(entry)}" for name, entry in feature.items() if name not in named]
    values += [f"{plain_text(value)} ({plain_text(count)})" for value, count in feature.get("top_values", ())]
    return [*(feature.get(name) for name in named[:-1]), "; ".join(values)]


def _analyses(analyses: Iterable[Mapping[str, Any]]) -> list[str]:
    blocks = []
    for analysis in analyses:
        blocks += [f"### {text_of(analysis['name'])}", *_data(analysis.get("data", {}))]
        if analysis.get("metrics"):
            rows = [_metric(name, metric) for name, metric in analysis["metrics"].items()]
            blocks.append(_table(["metric", "value", "95 % interval"], rows))
        blocks += _tables(analysis.get(TABLES, ()))
    return blocks


def _metric(name: str, metric: Mapping[str, Any]) -> list[Any]:
    value = metric["value"] if metric["value"] is not None else metric.get("undefined")
    low, high = metric.get("low"), metric.get("high")
    return [name, value, "-" if low is None else f"{plain_text(low)} to {plain_text(high)}"]


def _signatures(signatures: Iterable[Mapping[str, Any]]) -> list[str]:
    rows = [
        [signature["name"], kind, tensor]
        for signature in signatures
        for kind in ("input", "output")
        for tensor in signature[f"{kind}s"]
    ]
    return [_table(["signature", "use", "tensor"], rows)]


def _optimizations(optimizations: Iterable[Mapping[str, Any]]) -> list[str]:
    blocks = []
    for entry in optimizations:
        facts = {name: value for name, value in entry.items() if name != "name"}
        blocks += [f"### {text_of(entry['name'])}", *_facts(facts)]
    return blocks


SECTIONS: tuple[tuple[str, str, Callable[[Any], list[str]]], ...] = (
    ("model_details", "Model details", _facts),
    ("intended_use", "Intended use", _use),
    ("training_data", "Training data", _data),
    ("training", "Training", _facts),
    ("quantitative_analyses", "Quantitative analyses", _analyses),
    ("decision_threshold", "Decision threshold", _facts),
    ("signatures", "Signatures", _signatures),
    ("software", "Software", _facts),
    ("optimizations", "Optimisations", _optimizations),
    ("caveats_and_recommendations", "Caveats and recommendations", _sentences),
)
