"""Invalid settings are refused before anything starts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from model_server import setting_limits
from monitor_agent.errors import SettingsError
from monitor_agent.settings import ServerSettings


def test_the_defaults_are_valid() -> None:
    """Nothing has to be set."""
    setting_limits.check(ServerSettings())


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"threads": 0}, "MODEL_SERVER_THREADS=0 is too small: set it to 1 or more"),
        ({"max_batch_size": 0}, "MODEL_SERVER_MAX_BATCH_SIZE=0 is too small"),
        ({"predict_timeout": timedelta()}, "MODEL_SERVER_PREDICT_TIMEOUT=0s is too small: set it to 1ms or more"),
        ({"threshold": 1.5}, "MODEL_SERVER_THRESHOLD=1.5"),
        ({"model_version": "all"}, "MODEL_SERVER_MODEL_VERSION stands for all versions together"),
        ({"model_name": "m" * 257}, "MODEL_SERVER_MODEL_NAME has 257 characters, more than 256"),
        ({"labels": tuple("abcdefghijklmnopq")}, "MODEL_SERVER_LABELS has 17 names: give at most 16"),
        ({"labels": ("a.b",)}, "MODEL_SERVER_LABELS: 'a.b' cannot be a name"),
        ({"numeric_features": ("",)}, "MODEL_SERVER_NUMERIC_FEATURES: '' cannot be a name"),
    ],
)
def test_an_invalid_setting_is_named(changes: dict[str, Any], named: str) -> None:
    """The error names the variable and its limits."""
    with pytest.raises(SettingsError) as refused:
        setting_limits.check(ServerSettings(**changes))

    assert named in str(refused.value)
