"""Tables of models: parsed, inherited, merged."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from monitor_agent.errors import SettingsError
from monitor_agent.settings import AgentSettings, ModelSettings, load, read_tables, stated_for_models, with_model
from monitor_agent.settings.model_tables import merged, plain, settings_of, settings_of_table

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file with settings of the agent and of models."""
    path = tmp_path / "models.toml"
    path.write_text(
        """
[agent]
attribution_window = "45m"
period = "5m"

[models.default]
attribution_window = "1h"

[models."fraud-*"]
kind = "binary"
base_window = "1h"
larger_windows = ["1d"]
segments = ["shop", "country"]
gate_positives = 5
threshold = 0.25

[models.fraud-1]
attribution_window = "30d"
""",
        encoding="utf-8",
    )
    return path


def test_a_model_has_the_settings_of_one_table_and_the_rest_from_default(file: Path) -> None:
    """An exact name comes before a pattern, and takes nothing from it."""
    tables = read_tables(file)

    click, of_pattern, exact = (settings_of(tables, name) for name in ("click", "fraud-2", "fraud-1"))

    assert click == ModelSettings(attribution_window=HOUR)
    assert (of_pattern.attribution_window, of_pattern.base_window, of_pattern.larger_windows) == (HOUR, HOUR, (DAY,))
    assert (of_pattern.segments, of_pattern.gate_positives, of_pattern.threshold) == (("shop", "country"), 5, 0.25)
    assert exact == ModelSettings(attribution_window=30 * DAY)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("colour = 1", 'models."fraud".colour is unknown'),
        ('base_window = "7m30"', "models.\"fraud\".base_window='7m30' is malformed"),
        ('kind = "ternary"', 'models."fraud".kind=\'ternary\' is unknown: use one of "", binary, multiclass'),
        ('[models.fraud.eu]\nkind = "binary"', 'quote a name with dots: [models."fraud.eu"]'),
        ("period = '1m'", 'models."fraud".period is unknown'),
    ],
)
def test_a_wrong_key_is_named_with_its_table(tmp_path: Path, line: str, message: str) -> None:
    """A user reads which line of the file is wrong."""
    path = tmp_path / "models.toml"
    path.write_text(f"[models.fraud]\n{line}\n", encoding="utf-8-sig")  # as some editors write it

    with pytest.raises(SettingsError) as caught:
        read_tables(path)

    assert message in str(caught.value)


def test_values_that_contradict_each_other_are_named_as_keys_of_their_table() -> None:
    """The rules are those of the environment, but the message names no variable."""
    tables = {"default": {"base_window": "1h"}, "fraud": {"larger_windows": "90m"}}

    with pytest.raises(SettingsError) as caught:
        settings_of_table(tables, "fraud")

    message = 'models."fraud": larger_windows: 90m is no multiple of 1h (base_window)'
    assert str(caught.value).startswith(message)


def test_a_file_changes_the_keys_that_it_names_or_replaces_all_tables() -> None:
    """Without `--replace`, all further tables and keys stay."""
    stored = {"default": {"base_window": "1m", "kind": ""}, "click": {"gate_positives": "9"}}
    changed = {"default": {"kind": "binary"}, "fraud": {"base_window": "1h"}}

    assert merged(stored, changed) == {
        "default": {"base_window": "1m", "kind": "binary"},
        "click": {"gate_positives": "9"},
        "fraud": {"base_window": "1h"},
    }
    assert merged(stored, changed, replace=True) == changed


def test_the_plain_form_gives_the_settings_back() -> None:
    """What the set-up stores is what it was started with."""
    settings = ModelSettings(base_window=2 * HOUR, segments=(), threshold=0.1, positive_label="malign", kind="binary")

    assert settings_of({"default": plain(settings)}, "click") == settings


def test_the_environment_comes_before_the_table_default_and_this_before_the_agents_section(file: Path) -> None:
    """So `setup` writes the first settings; only what somebody stated counts as an opinion."""
    assert load({}, file).agent.attribution_window == HOUR
    environ = {"MONITOR_ATTRIBUTION_WINDOW": "2h", "MONITOR_PERIOD": "1m", "MONITOR_SEGMENTS": "shop"}
    assert load(environ, file).agent.attribution_window == 2 * HOUR
    assert stated_for_models(environ, file) == {
        "attribution_window": "MONITOR_ATTRIBUTION_WINDOW",
        "segments": "MONITOR_SEGMENTS",
    }
    assert stated_for_models({}, file) == {}


def test_the_settings_of_a_model_leave_those_of_the_process_alone() -> None:
    """A period or a page size belongs to the process."""
    agent = AgentSettings(period=HOUR, page_size=7, base_window=HOUR)

    combined = with_model(agent, ModelSettings(gate_positives=1))

    assert (combined.period, combined.page_size, combined.gate_positives) == (HOUR, 7, 1)
    assert (combined.base_window, combined.larger_windows) == (timedelta(minutes=1), (HOUR, DAY))
