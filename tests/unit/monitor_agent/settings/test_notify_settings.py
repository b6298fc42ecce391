"""The settings of notifications: addresses with commas, channels by variables, routes; no error shows an address."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor_agent.errors import SettingsError
from monitor_agent.settings import load, read_notify_tables, secret_values

SECRET = "planted-secret"


def test_the_variable_wins_and_commas_in_an_address_stay() -> None:
    """The same address twice is there once."""
    urls = f"mailto://me:{SECRET}@example.org?to=a@x.org,b@x.org, json://host.test , json://host.test"
    settings = load({"MONITOR_NOTIFY_URLS": urls})

    assert settings.notify.urls == (f"mailto://me:{SECRET}@example.org?to=a@x.org,b@x.org", "json://host.test")
    assert SECRET in secret_values(settings)
    assert SECRET not in repr(settings)


def test_a_channel_may_name_a_variable(tmp_path: Path) -> None:
    """The file then holds no secret."""
    path = tmp_path / "monitor.toml"
    path.write_text(
        '[notify]\nurls = ["json://host.test"]\n[notify.channels]\nops = "$OPS_URL"\nhook = "json://hook.test"\n'
        '[[notify.routes]]\nchannels = ["ops"]\nmodels = ["cl*"]\nhours = "08:00-20:00"\n'
    )
    tables = read_notify_tables({"OPS_URL": f"slack://{SECRET}"}, path)

    assert load({"OPS_URL": "x"}, path).notify.urls == ("json://host.test",)
    assert tables.channels == {"ops": f"slack://{SECRET}", "hook": "json://hook.test"}
    assert (tables.routes[0].channels, tables.routes[0].models) == (("ops",), ("cl*",))
    assert SECRET not in repr(tables)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[notify.channels]\nops = "$OPS_URL"\n', "names OPS_URL, which is not set"),
        ("[notify.channels]\nops = 3\n", "is no address"),
        ('[[notify.routes]]\nchannels = ["ops"]\n', "there is no channel ops"),
        ('[notify.channels]\nops = "json://a"\n[[notify.routes]]\nmodels = ["a"]\n', "has no channels"),
        ('[notify.channels]\nops = "json://a"\n[[notify.routes]]\nchannels = ["ops"]\nhour = "x"\n', "hour is unknown"),
        (
            '[notify.channels]\nops = "json://a"\n[[notify.routes]]\nchannels = ["ops"]\nhours = "8-20"\n',
            "hours",
        ),
        (
            '[notify.channels]\nops = "json://a"\n[[notify.routes]]\nchannels = ["ops"]\nseverities = ["fatal"]\n',
            "'fatal' is unknown",
        ),
        ("[notify]\nurl = 3\n", "notify.url is unknown"),
    ],
)
def test_a_wrong_table_is_one_line_that_names_the_key(tmp_path: Path, text: str, reason: str) -> None:
    """Every command says it."""
    path = tmp_path / "monitor.toml"
    path.write_text(text)

    with pytest.raises(SettingsError, match=reason):
        load({}, path)
