"""Whether the model server would start: its limits, its model and its API keys; TensorFlow is not loaded."""

from __future__ import annotations

import os
from pathlib import Path

from model_server import api_keys, setting_limits
from model_server.releases.available import cards_to_serve
from monitor_agent.diagnosis.check_result import FAILED, OK, SKIPPED, WARNING, CheckResult
from monitor_agent.errors import MonitorError
from monitor_agent.settings import ServerSettings

LIMITS, MODEL, KEYS = "limits of model server", "model", "API keys"


def check_limits(settings: ServerSettings) -> CheckResult:
    """Return whether each setting of the model server is inside its limits."""
    try:
        setting_limits.check(settings)
    except MonitorError as error:
        return CheckResult(LIMITS, FAILED, error.message, error.hint)
    return CheckResult(LIMITS, OK, "all settings are inside their limits")


def check_model(settings: ServerSettings) -> CheckResult:
    """Return which model the model server would serve, as far as its files say it."""
    folder = Path(settings.model_dir)
    try:
        if settings.model_dir == ServerSettings().model_dir and not os.path.lexists(folder):
            text = f"{folder} is not there: `monitor-agent up` serves the demo's model"
            return CheckResult(MODEL, SKIPPED, text)
        cards = cards_to_serve(settings)
    except MonitorError as error:
        return CheckResult(MODEL, FAILED, error.message, error.hint)
    return CheckResult(MODEL, OK, ", ".join(f"{card.name} {card.version} in {card.folder}" for card in cards))


def check_keys(settings: ServerSettings) -> CheckResult:
    """Return whether the file of API keys can be used, and is private."""
    if not settings.api_keys:
        return CheckResult(KEYS, SKIPPED, f"{api_keys.VARIABLE} is not set: the model server wants no key")
    path = Path(settings.api_keys)
    try:
        keys = api_keys.read_keys(path)
        is_open = bool(path.stat().st_mode & api_keys.OTHER_ACCOUNTS)
    except MonitorError as error:
        return CheckResult(KEYS, FAILED, error.message, error.hint)
    if is_open:
        return CheckResult(KEYS, WARNING, f"other accounts can read or write {path}", f"run `chmod 600 {path}`")
    if not keys:
        return CheckResult(KEYS, WARNING, f"{path} holds no key", "make one: `model-server keys add NAME`")
    return CheckResult(KEYS, OK, f"{len(keys):,} keys in {path}")
