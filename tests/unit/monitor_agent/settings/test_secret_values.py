"""No secret of the settings is in their `repr`, and all its forms are known to those that print."""

from __future__ import annotations

import base64
from dataclasses import fields

import pytest

from monitor_agent.settings import info_of, read, secret_values, secret_variables
from monitor_agent.settings.sections import Settings

SECRETS = sorted(
    info_of(entry).variable
    for section in fields(Settings)
    for entry in fields(getattr(Settings(), section.name))
    if info_of(entry).secret
)


@pytest.mark.parametrize("variable", SECRETS)
def test_a_secret_is_in_no_repr(variable: str) -> None:
    """A traceback with local variables, or the output of a test, shows sections."""
    # The token of the viewer is refused where nothing uses it.
    login = {"DASHBOARDS_AUTH": "token"} if variable == "DASHBOARDS_TOKEN" else {}
    settings = read({variable: "planted-secret-of-a-test", **login})

    assert "planted" not in repr(settings)
    assert "planted-secret-of-a-test" in secret_values(settings)
    assert variable in secret_variables()


@pytest.mark.parametrize("variable", ["ELASTICSEARCH_URL", "KIBANA_URL"])
def test_the_password_of_an_address_is_a_secret_in_each_form(variable: str) -> None:
    """As the address has it, as it is sent, and in the header."""
    settings = read({variable: "https://user:p%40ss-w%2Frd@es-1:9200"})
    header = base64.b64encode(b"user:p@ss-w/rd").decode()

    assert {"p%40ss-w%2Frd", "p@ss-w/rd", header} <= secret_values(settings)
    assert "ss-w" not in repr(settings)


def test_defaults_hold_no_secret() -> None:
    """Nothing is hidden that nobody has set."""
    assert secret_values(Settings()) == frozenset()
