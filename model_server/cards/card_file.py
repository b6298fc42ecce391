"""The model card of a version: `model_card.json`, and the same as a page, `MODEL_CARD.md`.

`model.json` says how a model is served, and people write it. The card describes the model, and programs write it; the
server never reads it. Its sections are those of M. Mitchell et al., "Model cards for model reporting", FAT* (2019),
https://doi.org/10.1145/3287560.3287596, and what this product adds: signatures, threshold, software, optimisations.

A card is a JSON object. All sections are optional:

``model_details``
    an object: name and version of the model, its kind, its architecture.
``intended_use``
    ``primary`` and ``out_of_scope``, lists of sentences.
``training_data``
    what `DataDescription` holds.
``training``
    an object: the parameters of the training, and why it ended; it may have ``tables``.
``quantitative_analyses``
    a list; an entry has ``name`` (unique), ``data`` (an object), ``metrics`` (name -> ``value``, ``low``, ``high``),
    and ``tables``.
``decision_threshold``
    ``value`` and ``method``.
``signatures``
    a list; an entry has ``name``, ``inputs`` and ``outputs``, lists of texts.
``software``
    an object: names of programs -> their versions.
``optimizations``
    a list; an entry has ``name`` (unique), further facts, and ``tables``.
``caveats_and_recommendations``
    a list of sentences.

A table has ``title``, ``columns`` (names) and ``rows`` (lists of values, one for each column).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from model_server.cards.markdown import markdown
from monitor_agent.errors import ModelError
from monitor_agent.files import replace_file

CARD_FILE = "model_card.json"
PAGE_FILE = "MODEL_CARD.md"
CARD_SCHEMA = 1
MODE = 0o644
HINT = "delete the file: it is written anew"

Card = dict[str, Any]


def read_card_file(folder: Path) -> Card:
    """Return the card of a version; an empty one if there is none.

    Raises
    ------
    ModelError
        If it cannot be read, or is no model card.
    """
    path = folder / CARD_FILE
    try:
        card: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read ({error})", HINT) from error
    if not isinstance(card, dict):
        raise ModelError(f"{path} is not a JSON object", HINT)
    try:
        markdown(card)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path} is not a model card: a section has another form", HINT) from error
    return card


def write_card_file(folder: Path, card: Mapping[str, Any]) -> None:
    """Write the card of a version, and its page.

    Raises
    ------
    ModelError
        If a file cannot be written.
    """
    card = {"schema": CARD_SCHEMA, **card}
    try:
        replace_file(folder / CARD_FILE, json.dumps(card, indent=2, ensure_ascii=False) + "\n", mode=MODE)
        replace_file(folder / PAGE_FILE, markdown(card), mode=MODE)
    except OSError as error:
        problem = f"the model card in {folder} cannot be written ({error.strerror})"
        raise ModelError(problem, "let this account write into the folder, or free disk space") from error


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """Return a table of a card.

    >>> table("size", ["engine", "MiB"], [("tensorflow", 1.5)])
    {'title': 'size', 'columns': ['engine', 'MiB'], 'rows': [['tensorflow', 1.5]]}
    """
    return {"title": title, "columns": list(columns), "rows": [list(row) for row in rows]}


def with_entry(card: Mapping[str, Any], section: str, entry: Mapping[str, Any]) -> Card:
    """Return the card with an entry in a list of entries; it replaces the one of the same name.

    Parameters
    ----------
    section : `quantitative_analyses`, `optimizations` or `signatures`.
    entry : it has a ``name``.

    >>> card = with_entry({}, "optimizations", {"name": "litert-int8", "tables": []})
    >>> with_entry(card, "optimizations", {"name": "litert-int8", "chosen": True})
    {'optimizations': [{'name': 'litert-int8', 'chosen': True}]}
    """
    by_name = {existing["name"]: existing for existing in card.get(section, ())}
    return {**card, section: list({**by_name, entry["name"]: dict(entry)}.values())}
