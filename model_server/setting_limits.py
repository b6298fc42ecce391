"""Limits of the server's settings: smallest numbers, and names that the index accepts (pure).

Settings that contradict each other are refused by `monitor_agent.settings.contradictions`.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta

from monitor_agent.contracts.ecs import MAX_LABELS
from monitor_agent.contracts.model_names import problem_of_name, problem_of_version
from monitor_agent.durations import format_duration
from monitor_agent.errors import SettingsError
from monitor_agent.prediction_log.names import NAME
from monitor_agent.settings import ServerSettings, as_text, info_of

LEAST = {
    "rotate_bytes": 1,
    "max_body_bytes": 1,
    "max_instances": 1,
    "max_batch_size": 1,
    "max_queue": 1,
    "model_threads": 0,
    "predict_timeout": timedelta(milliseconds=1),
    "sync_interval": timedelta(),
    "max_batch_delay": timedelta(),
    "poll": timedelta(),
    "threads": 1,
}


def check(settings: ServerSettings) -> None:
    """Check the settings.

    Raises
    ------
    SettingsError
        If a setting is outside its limits; it names the setting.
    """
    variables = {entry.name: info_of(entry).variable for entry in fields(settings)}
    for name, least in LEAST.items():
        if getattr(settings, name) < least:
            limit = format_duration(least) if isinstance(least, timedelta) else least
            raise SettingsError(
                f"{variables[name]}={as_text(getattr(settings, name))} is too small", f"set it to {limit} or more"
            )
    if settings.threshold is not None and not 0 <= settings.threshold <= 1:
        raise SettingsError(
            f"MODEL_SERVER_THRESHOLD={settings.threshold} is no probability", "give a number from 0 to 1"
        )
    for name, problem_of in (("model_name", problem_of_name), ("model_version", problem_of_version)):
        text = getattr(settings, name)
        problem = problem_of(text) if text else ""
        if problem:
            raise SettingsError(f"{variables[name]} {problem}", "choose another one")
    if len(settings.labels) > MAX_LABELS:
        raise SettingsError(f"MODEL_SERVER_LABELS has {len(settings.labels)} names", f"give at most {MAX_LABELS}")
    for setting in ("labels", "numeric_features", "categorical_features"):
        for name in getattr(settings, setting):
            if not NAME.fullmatch(name):
                raise SettingsError(f"{variables[setting]}: {name!r} cannot be a name", "use letters, digits, _ and -")
