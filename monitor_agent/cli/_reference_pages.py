"""The reference pages of settings and fields as text, made from the code that defines them (pure)."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from monitor_agent import settings
from monitor_agent.contracts.catalogue import CONTRACTS
from monitor_agent.contracts.command_users import COMMAND_USERS
from monitor_agent.contracts.deadletter import DEADLETTERS, REASONS
from monitor_agent.contracts.index_contract import IndexContract
from monitor_agent.contracts.kinds import DEFAULT_KIND, KINDS
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.contracts.roles import ROLES
from monitor_agent.metrics import CATALOGUE, MetricSpec
from monitor_agent.settings import HttpSettings, Settings
from monitor_agent.vocabulary.prediction_kinds import PREDICTION_KINDS

_HEAD = "Made from `{source}` by `monitor-agent docs`; do not edit.\n"


def pages() -> dict[str, str]:
    """Return file name -> Markdown text of every generated page."""
    return {
        "settings.md": settings_page(),
        "fields.md": fields_page(),
        "definitions.md": definitions_page(),
        "users.md": users_page(),
    }


def settings_page() -> str:
    """Return the page of every setting with its variable, default, unit and meaning."""
    lines = ["# Settings", "", _HEAD.format(source="monitor_agent/settings/")]
    lines += [line.rstrip() for line in (settings.__doc__ or "").split("\n\n", 1)[1].strip().splitlines()]
    for section in fields(Settings):
        kind = typing.cast("type[Any]", section.default_factory)
        lines += ["", f"## `[{section.name}]`", "", (kind.__doc__ or "").strip(), ""]
        lines += ["| key | environment | default | meaning |", "|---|---|---|---|"]
        shared = {entry.name for entry in fields(HttpSettings)}
        lines += [_setting(entry) for entry in sorted(fields(kind), key=lambda entry: entry.name in shared)]
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
        if contract is PREDICTIONS:
            lines += _kinds()
        elif contract is DEADLETTERS:
            lines += _reasons()
    return "\n".join(lines) + "\n"


def definitions_page() -> str:
    """Return the page of every metric with its definition and source, by the kind of predictions that it is of."""
    lines = ["# Definitions of the metrics", "", _HEAD.format(source="monitor_agent/metrics/")]
    lines += [
        "Sources such as `sklearn.metrics.f1_score` are of scikit-learn; tests compare the numbers with them.",
        "Intervals are 95 % intervals. [metrics.md](metrics.md) says how each number is computed, and how exactly.",
    ]
    for kind in PREDICTION_KINDS:
        of_kind = [spec.for_kind(kind) for spec in CATALOGUE if not spec.all_kinds]
        lines += _definitions(f"Of {kind} predictions", [spec for spec in of_kind if isinstance(spec, MetricSpec)])
    lines += _definitions("Of all predictions", [spec for spec in CATALOGUE if spec.all_kinds])
    return "\n".join(lines) + "\n"


def _definitions(title: str, specs: Iterable[MetricSpec]) -> list[str]:
    columns = ["metric", "definition", "unit", "range", "better", "interval", "source"]
    return ["", f"## {title}", "", _row(columns), "|" + "---|" * len(columns), *map(_definition, specs)]


def _definition(spec: MetricSpec) -> str:
    low, high = ("" if limit is None else f"{limit:g}" for limit in spec.range)
    better = {True: "higher", False: "lower", None: ""}[spec.bigger_is_better]
    interval = "yes" if spec.interval else ""
    return _row([f"`{spec.name}`", spec.help, spec.unit, f"{low}..{high}", better, interval, spec.source])


def users_page() -> str:
    """Return the page of the users: which command needs which, and the rights of each role."""
    lines = ["# Users", "", _HEAD.format(source="monitor_agent/contracts/"), "## Which user runs which command", ""]
    lines += ["| command | user | why |", "|---|---|---|"]
    for entry in COMMAND_USERS:
        user = f"`{entry.user}`" if entry.user in ROLES else entry.user or "-"
        lines.append(_row([f"`monitor-agent {entry.command}`", user, entry.why]))
    lines += ["", "The user of the settings is `ELASTICSEARCH_USERNAME`. A person may have several roles.", ""]
    lines += ["## Roles", "", "A `?` stands for one character, such as a digit of a date.", ""]
    lines += ["| role | privileges on the cluster | privileges on indices |", "|---|---|---|"]
    for name, role in ROLES.items():
        rights = [f"{_list(entry['privileges'])} on {_list(entry['names'])}" for entry in role["indices"]]
        lines.append(_row([f"`{name}`", _list(role["cluster"]), "; ".join(rights)]))
    return "\n".join(lines) + "\n"


def _list(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _index(contract: IndexContract) -> list[str]:
    unknown = "refused" if contract.strict else "kept, but not indexed"
    name = contract.name + (f"-{_readable(contract.suffix)}" if contract.suffix else "")
    lines = [f"## `{name}`", "", f"{contract.help}. Read it as `{contract.alias}`; unknown fields are {unknown}.", ""]
    columns = ["field", "type", "unit", "range", "meaning"]
    if not any(entry.bounds for entry in contract.fields.values()):
        columns.remove("range")
    lines += [_row(columns), "|" + "---|" * len(columns)]
    for field_name, entry in contract.fields.items():
        kind = entry.type if entry.options.get("dynamic") is None else f"{entry.options['_values']['type']} each"
        pattern = f"{field_name}.*" if entry.options.get("dynamic") else field_name
        bounds = entry.bounds.interval if entry.bounds else ""
        cells = {"field": f"`{pattern}`", "type": kind, "unit": entry.unit, "range": bounds, "meaning": entry.help}
        lines.append(_row(cells[column] for column in columns))
    return [*lines, ""]


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _kinds() -> list[str]:
    """Return the table of the kinds of predictions."""
    lines = [
        *("### Kinds of predictions", ""),
        f"`prediction.kind` selects the rules; a prediction without it is `{DEFAULT_KIND.name}`.",
        "Predictions of every kind need `@timestamp`, `event.id`, `event.dataset`, `model.name` and `model.version`.",
        "Feedback of the type `label` needs one of",
        f"{', '.join(f'`{kind.truth}`' for kind in KINDS)}.",
        "",
        *("| kind | meaning | required | optional | example | feedback |", "|---|---|---|---|---|---|"),
    ]
    for kind in KINDS:
        required, optional = (
            "; ".join(f"`{name}`: {rule}" for name, rule in rules.items()) for rules in (kind.required, kind.optional)
        )
        example, feedback = (json.dumps(dict(sample)) for sample in (kind.sample, kind.feedback_sample))
        lines.append(f"| `{kind.name}` | {kind.help} | {required} | {optional} | `{example}` | `{feedback}` |")
    return [*lines, ""]


def _reasons() -> list[str]:
    """Return the table of the reasons of dead letters."""
    lines = ["| `error.type` | meaning |", "|---|---|"]
    lines += [f"| `{reason}` | {meaning} |" for reason, meaning in REASONS.items()]
    return [*lines, ""]


def _readable(suffix: str) -> str:
    return suffix.replace("%Y", "YYYY").replace("%m", "MM").replace("%d", "DD")
