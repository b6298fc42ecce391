"""Settings that contradict each other are refused in one line, which names them and what to change."""

from __future__ import annotations

from datetime import timedelta

import pytest

from monitor_agent import settings
from monitor_agent.errors import SettingsError
from monitor_agent.settings import AgentSettings, Settings, contradictions_of

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        (
            {"MONITOR_FEEDBACK_TYPE": "label", "MONITOR_ATTRIBUTION_WINDOW": "90d"},
            [
                "MONITOR_ATTRIBUTION_WINDOW=90d",
                "MONITOR_INGEST_GRACE=2m",
                "MONITOR_RETENTION_EVENTS=30d",
                "to 91d or",
            ],
        ),
        (
            {"MONITOR_ATTRIBUTION_WINDOW": "29d", "MONITOR_INGEST_GRACE": "25h"},
            ["MONITOR_INGEST_GRACE=25h", "31d or more"],
        ),
        (
            {"MONITOR_RETENTION_EVENTS": "3d"},
            ["MONITOR_RESTATEMENT_LIMIT=7d", "MONITOR_RETENTION_EVENTS=3d", "7d or more", "3d or less"],
        ),
        ({"MONITOR_ORPHAN_HORIZON": "31d"}, ["MONITOR_ORPHAN_HORIZON=31d", "MONITOR_RETENTION_EVENTS=30d"]),
        ({"MONITOR_PERIOD": "60d"}, ["MONITOR_PERIOD=60d", "MONITOR_RETENTION_EVENTS=30d"]),
        ({"MONITOR_RETENTION_METRICS": "5d"}, ["MONITOR_RESTATEMENT_LIMIT=7d", "MONITOR_RETENTION_METRICS=5d"]),
        (
            {"MONITOR_LARGER_WINDOWS": "1h,1d,28d", "MONITOR_RETENTION_METRICS": "14d"},
            ["MONITOR_LARGER_WINDOWS=1h,1d,28d", "MONITOR_RETENTION_METRICS=14d"],
        ),
        (
            {"MONITOR_CURVE_WINDOWS": "2h"},
            ["MONITOR_CURVE_WINDOWS=2h", "MONITOR_LARGER_WINDOWS=1h,1d", "no window of 2h"],
        ),
        (
            {"MONITOR_BASE_WINDOW": "1h", "MONITOR_TIME_ZONE": "Asia/Kolkata"},
            ["MONITOR_BASE_WINDOW=1h", "MONITOR_TIME_ZONE=Asia/Kolkata", "15m"],
        ),
        ({"MODEL_SERVER_MAX_QUEUE": "100"}, ["MODEL_SERVER_MAX_QUEUE=100", "MODEL_SERVER_MAX_INSTANCES=512"]),
        (
            {"MODEL_SERVER_MAX_BATCH_DELAY": "1m"},
            ["MODEL_SERVER_MAX_BATCH_DELAY=1m", "MODEL_SERVER_PREDICT_TIMEOUT=30s"],
        ),
        (
            {"MODEL_SERVER_NUMERIC_FEATURES": "age,price", "MODEL_SERVER_CATEGORICAL_FEATURES": "price"},
            ["MODEL_SERVER_NUMERIC_FEATURES=age,price", "MODEL_SERVER_CATEGORICAL_FEATURES=price"],
        ),
    ],
)
def test_contradicting_settings_are_refused_with_their_values(environ: dict[str, str], named: list[str]) -> None:
    """The line has each setting with its value, and a value that would be right."""
    with pytest.raises(SettingsError) as refused:
        settings.load(environ)

    line = str(refused.value)
    assert [text for text in named if text not in line] == []
    assert "\n" not in line


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"MONITOR_BASE_WINDOW": "1h"},
        {"MONITOR_BASE_WINDOW": "1d"},
        {"MONITOR_BASE_WINDOW": "15m", "MONITOR_TIME_ZONE": "Asia/Kathmandu"},
        {"MONITOR_BASE_WINDOW": "6h", "MONITOR_TIME_ZONE": "Asia/Kolkata", "MONITOR_LARGER_WINDOWS": ""},
        {"MONITOR_FEEDBACK_TYPE": "label", "MONITOR_ATTRIBUTION_WINDOW": "90d", "MONITOR_RETENTION_EVENTS": "150d"},
        {"MONITOR_ATTRIBUTION_WINDOW": "25d"},
        {"MONITOR_RETENTION_EVENTS": "7d"},
    ],
)
def test_settings_that_agree_are_accepted(environ: dict[str, str]) -> None:
    """The defaults agree; so do longer windows with a longer retention."""
    assert contradictions_of(settings.load(environ)) == []


def test_several_contradictions_are_counted() -> None:
    """The line names the worst one, and says where all of them are listed."""
    with pytest.raises(SettingsError, match=r"MONITOR_ATTRIBUTION_WINDOW=90d.*all: 2.*monitor-agent check"):
        settings.load({"MONITOR_ATTRIBUTION_WINDOW": "90d", "MONITOR_ORPHAN_HORIZON": "40d"})


def test_the_server_runs_with_contradicting_settings_of_the_agent() -> None:
    """Only contradictions among the server's own settings stop it."""
    rows = contradictions_of(settings.read({"MONITOR_ATTRIBUTION_WINDOW": "90d", "MODEL_SERVER_MAX_QUEUE": "1"}))

    assert [row.of_server for row in rows] == [False, True]


@pytest.mark.parametrize(
    ("base", "larger"),
    [
        (MINUTE, (HOUR, DAY)),
        (5 * MINUTE, (HOUR, DAY)),
        (HOUR, (DAY,)),
        (48 * MINUTE, (DAY,)),
        (DAY, ()),
    ],
)
def test_default_windows_that_do_not_fit_are_left_out(base: timedelta, larger: tuple[timedelta, ...]) -> None:
    """A base window alone is no contradiction; a child process computes the same windows."""
    agent = AgentSettings(base_window=base)

    assert agent.larger_windows == larger
    assert set(agent.curve_windows) <= {base, *larger}
    assert settings.load(settings.environment_of(agent)).agent == agent
    assert contradictions_of(Settings(agent=agent)) == []


def test_a_window_that_somebody_chose_is_not_left_out() -> None:
    """The line names both settings."""
    with pytest.raises(SettingsError, match=r"_LARGER_WINDOWS: 90m is no multiple of 1h \(MONITOR_BASE_WINDOW\)"):
        settings.load({"MONITOR_BASE_WINDOW": "1h", "MONITOR_LARGER_WINDOWS": "90m"})


@pytest.mark.parametrize("name", ["MONITOR_GATE_COVERAGE", "MONITOR_GATE_MATURITY"])
def test_a_gate_that_no_window_reaches_is_refused(name: str) -> None:
    """A share lies between 0 and 1; 90 is meant as a percentage."""
    with pytest.raises(SettingsError, match=f"{name}=90.0 is no share"):
        settings.load({name: "90"})
