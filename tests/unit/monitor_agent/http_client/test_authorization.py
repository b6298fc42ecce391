"""The header of a user, of an API key, and of nobody."""

from __future__ import annotations

import base64

import pytest

from monitor_agent.http_client.authorization import authorization_headers, basic_authorization


def test_basic_authentication_encodes_user_and_password() -> None:
    """A colon or an umlaut in the password is no trouble."""
    value = basic_authorization("agent", "a:b-ü")

    assert value.startswith("Basic ")
    assert base64.b64decode(value.removeprefix("Basic ")).decode() == "agent:a:b-ü"


@pytest.mark.parametrize(
    ("credentials", "value"),
    [
        ({"api_key": "aWQ6a2V5"}, "ApiKey aWQ6a2V5"),
        ({"api_key": "id:key"}, "ApiKey aWQ6a2V5"),
        ({"username": "agent", "password": "secret"}, "Basic YWdlbnQ6c2VjcmV0"),
        ({"username": "agent", "password": "secret", "api_key": "aWQ6a2V5"}, "ApiKey aWQ6a2V5"),
    ],
)
def test_an_api_key_goes_before_a_user(credentials: dict[str, str], value: str) -> None:
    """An API key may be encoded already."""
    assert authorization_headers(**credentials) == {"Authorization": value}


def test_without_credentials_there_is_no_header() -> None:
    """A password alone is no user."""
    assert authorization_headers() == authorization_headers(password="secret") == {}
