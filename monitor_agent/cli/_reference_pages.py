"""The reference pages of settings and fields as text, made from the code that defines them (pure)."""

from __future__ import annotations

import typing
from dataclasses import fields
from typing import Any

from monitor_agent import settings
from monitor_agent.contracts.catalogue import CONTRACTS
from monitor_agent.contracts.index_contract import IndexContract
from monitor_agent.settings import Settings

_HEAD = "Made from `{source}` by `monitor-agent docs`; do not edit.\n"


def pages() -> dict[str, str]:
    """Return file name -> Markdown text of every generated page."""
    return {"settings.md": settings_page(), "fields.md": fields_page()}


def settings_page() -> str:
    """Return the page of every setting with its variable, default, unit and meaning."""
    lines = ["# Settings", "", _HEAD.format(source="monitor_agent/settings/")]
    lines += [line.rstrip() for line in (settings.__doc__ or "").split("\n\n", 1)[1].strip().splitlines()]
    for section in fields(Settings):
        kind = typing.cast("type[Any]", section.default_factory)
        lines += ["", f"## `[{section.name}]`", "", (kind.__doc__ or "").strip(), ""]
        lines += ["| key | environment | default | meaning |", "|---|---|---|---|"]
        lines += [_setting(entry) for entry in fields(kind)]
    return "\n".join(lines) + "\n"


def _setting(entry: Any) -> str:
    info = settings.info_of(entry)
    choices = f" ({', '.join(f'`{choice}`' for choice in info.choices)})" if info.choices else ""
    unit = f" [{info.unit}]" if info.unit else ""
    default = f"`{settings.as_text(entry.default)}`" if settings.as_text(entry.default) else ""
    return f"| `{entry.name}` | `{info.variable}` | {default} | {info.help}{choices}{unit} |"


def fields_page() -> str:
    """Return the page of every index and every field in it."""
    lines = ["# Fields", "", _HEAD.format(source="monitor_agent/contracts/")]
    for contract in CONTRACTS:
        lines += _index(contract)
    return "\n".join(lines) + "\n"


def _index(contract: IndexContract) -> list[str]:
    unknown = "refused" if contract.strict else "kept, but not indexed"
    name = contract.name + (f"-{_readable(contract.suffix)}" if contract.suffix else "")
    lines = [f"## `{name}`", "", f"{contract.help}. Read it as `{contract.alias}`; unknown fields are {unknown}.", ""]
    lines += ["| field | type | unit | meaning |", "|---|---|---|---|"]
    for field_name, entry in contract.fields.items():
        kind = entry.type if entry.options.get("dynamic") is None else f"{entry.options['_values']['type']} each"
        pattern = f"{field_name}.*" if entry.options.get("dynamic") else field_name
        lines.append(f"| `{pattern}` | {kind} | {entry.unit} | {entry.help} |")
    return [*lines, ""]


def _readable(suffix: str) -> str:
    return suffix.replace("%Y", "YYYY").replace("%m", "MM").replace("%d", "DD")
