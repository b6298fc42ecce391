"""The `Authorization` header of HTTP requests."""

from __future__ import annotations

import base64


def basic_authorization(username: str, password: str) -> str:
    """Return the header's value for a user and a password.

    >>> basic_authorization("agent", "secret")
    'Basic YWdlbnQ6c2VjcmV0'
    """
    return f"Basic {_encoded(f'{username}:{password}')}"


def authorization_headers(username: str = "", password: str = "", api_key: str = "") -> dict[str, str]:
    """Return the header for a user or an API key, as a mapping; empty if there is neither.

    Parameters
    ----------
    username, password : of basic authentication.
    api_key : as Elasticsearch gives it, encoded or `id:key`; it is used instead of the user.

    >>> authorization_headers(api_key="id:key")
    {'Authorization': 'ApiKey aWQ6a2V5'}
    >>> authorization_headers()
    {}
    """
    if api_key:
        return {"Authorization": f"ApiKey {_encoded(api_key) if ':' in api_key else api_key}"}
    if username:
        return {"Authorization": basic_authorization(username, password)}
    return {}


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
