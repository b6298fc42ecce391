"""The list of alerts: how it is read, and which mistakes are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monitor_agent.alerting.definitions import load_alerts, parse_alerts
from monitor_agent.errors import DataError
from tests.unit.monitor_agent.alerting.sample_alerts import ALERTS, LIST, SLOW

TEXT = LIST.read_text()
SHORT_LIST = """[a]
title = "t"
message = "m"
index = "model-performance"
where = "labels.scene: home and {0} < 0.5"
look_back = "1h"
at_least = 1
every = "5m"
throttle = "4h"
severity = "critical"
dashboard = "model-quality"
"""


def test_the_keys_every_and_looks_are_the_interval_and_the_evaluations() -> None:
    """The keys of the file keep their names."""
    quality = ALERTS["quality-below-threshold"]

    assert (quality.interval, quality.evaluations, quality.quiet) == ("5m", (2, 3), 3)
    assert quality.inhibited_by == ("no-data", "pipeline-lag", "orphan-rate")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[a", "no TOML"),
        ("[a]\ntitle = 'x'", "the alert a is incomplete: add dashboard, every, index"),
        ("[a]\nlimit = 3", "the alert a has an unknown key limit"),
        ("a = 3", r"a is not a table: write each alert as a table such as \[a\]"),
        ("[a]\nlooks = 3", "looks is a list"),
        (TEXT.replace("looks = [2, 3]", "looks = [2]"), "has a value of the wrong type"),
        (TEXT.replace('"orphan-rate"]', '"quality-drop"]'), "quality-drop cannot inhibit it: use drift"),
        (SHORT_LIST.format("f1_hihg"), "the alert a: model-performance has no field f1_hihg: did you mean f1_high?"),
        (SHORT_LIST.format("nothing"), "has no field nothing: docs/fields.md lists the fields"),
        (
            SHORT_LIST.format("f1").replace("model-performance", "model-perfromance"),
            "there is no index model-perfromance",
        ),
        (SHORT_LIST.format("f1").replace('"5m"', '"5"'), "its every is malformed: '5' is no fixed length of time"),
        (SHORT_LIST.format("f1").replace('"5m"', '"0s"'), "0s is no length of time: write 1s or more"),
        (SHORT_LIST.format("f1").replace("at_least = 1", "at_least = -1"), "at_least and fewer_than are 1 or more"),
        (SHORT_LIST.format("f1").replace("at_least = 1", "at_least = 1.5"), "the alert a: at_least is a whole number"),
        (SHORT_LIST.format("f1") + 'agent = "no"', "the alert a: agent is true or false"),
        (SHORT_LIST.format("f1").replace('title = "t"', "title = 5"), "the alert a: title is a text"),
        (SHORT_LIST.format("f1").replace("< 0.5", "<"), "the alert a: this KQL is not supported"),
        (SHORT_LIST.format("f1") + 'inhibited_by = ["a"]', "a cannot inhibit it: leave inhibited_by out"),
        (SHORT_LIST.format("f1").replace("[a]", '["a b"]'), "'a b' is no id of an alert"),
    ],
)
def test_a_broken_list_is_refused(text: str, message: str) -> None:
    """The error names the alert and the key."""
    with pytest.raises(DataError, match=message):
        parse_alerts(text)


def test_durations_are_stored_in_one_unit() -> None:
    """Date math, Watcher and Kibana's rules do not read sums of units."""
    interval_line = 'every = "5m"'
    assert interval_line in TEXT

    alerts = {alert.id: alert for alert in parse_alerts(TEXT.replace(interval_line, 'every = "1h30m"'))}

    assert alerts["quality-below-threshold"].interval == "90m"
    with pytest.raises(DataError, match="its every is malformed: '1M' is no fixed length of time: write a duration"):
        parse_alerts(TEXT.replace(interval_line, 'every = "1M"'))


@pytest.mark.parametrize(
    ("line", "key", "nearest"),
    [
        ('held_back_by = ["no-data"]', "held_back_by", "inhibited_by"),
        ('severty = "critical"', "severty", "severity"),
        ("at_leats = 2", "at_leats", "at_least"),
        ("quiets = 3", "quiets", "quiet"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_valid_key(
    line: str, key: str, nearest: str, tmp_path: Path
) -> None:
    """One line names both, in a whole list and in a short one; no key has a second name."""
    path = tmp_path / "alerts.toml"
    newest = list(ALERTS)[-1]
    for text in (TEXT + line + "\n", f"[{newest}]\n{line}\n"):
        path.write_text(text)

        with pytest.raises(DataError) as refused:
            load_alerts(str(path))

        expected = f"the alert {newest} has an unknown key {key}: did you mean {nearest}?"
        assert str(refused.value) == expected


def test_a_list_that_does_not_exist_is_refused_with_the_name_of_its_setting(tmp_path: Path) -> None:
    """The error is one line."""
    path = tmp_path / "nothing.toml"
    reason = r"nothing\.toml cannot be read \(No such file or directory\): see MONITOR_ALERTS"

    with pytest.raises(DataError, match=reason):
        load_alerts(str(path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fewer_than": 1}, "either at_least or fewer_than"),
        ({"at_least": 0, "fewer_than": 1}, "has no groups"),
        ({"severity": "urgent"}, "severity is one of"),
        ({"look_back": "1M"}, "no fixed length"),
        ({"where": "a:"}, "this KQL is not supported"),
        ({"where": "a: b"}, "where does not compare the value response_time_p95"),
        ({"evaluations": (3, 2)}, r"looks are \[N, M\]"),
        ({"interval": "1M"}, "no fixed length"),
        ({"group_by": ("model_version",)}, "groups are model_name, model_version, segment"),
        ({"group_by": ("model_name", "segment")}, "groups are model_name, model_version, segment"),
    ],
)
def test_an_alert_that_contradicts_itself_is_refused(change: dict[str, Any], message: str) -> None:
    """The mistake is reported before the alert is packed."""
    with pytest.raises(DataError, match=message):
        replace(SLOW, **change)
