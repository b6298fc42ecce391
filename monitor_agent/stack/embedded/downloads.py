"""Why a download has failed, and what to set: certificate, proxy, name server, connection or status."""

from __future__ import annotations

import ssl
from dataclasses import replace

from monitor_agent.http_client.connections import is_wrong_name
from monitor_agent.http_client.failures import (
    CHECK_PROXY_VARIABLES,
    AddressSettings,
    NoAnswer,
    failure_of,
    page_title,
    wrapped_errors,
)

_SETTINGS = AddressSettings("the network", "SSL_CERT_FILE")
_LOOK_SECONDS = 10.0
_HEAD_BYTES = 10_000
_REFUSALS = (401, 403, 407)


def download_failure(error: Exception, url: str = "") -> NoAnswer:
    """Return why a download has failed.

    Parameters
    ----------
    error : of the library that downloads.
    url : what was downloaded, if the library hides the status of the answer: it is asked for once more.
    """
    import requests

    errors = wrapped_errors(error)
    for wrapped in errors:
        response = getattr(wrapped, "response", None)
        if isinstance(response, requests.Response):
            return _of_status(response.status_code, "")
    if any(isinstance(wrapped, requests.RequestException) for wrapped in errors):
        return _of_connection(error, errors[-1])
    if url:
        try:
            with requests.get(url, stream=True, timeout=_LOOK_SECONDS) as answer:
                if answer.status_code != requests.codes.ok:
                    page = next(answer.iter_content(_HEAD_BYTES), b"")
                    return _of_status(answer.status_code, page_title(page))
        except requests.RequestException as again:
            return _of_connection(again, wrapped_errors(again)[-1])
    return NoAnswer((str(error).splitlines() or [type(error).__name__])[0], "")


def _of_connection(error: Exception, inner: BaseException) -> NoAnswer:
    failure = failure_of(error, _SETTINGS)
    is_other_server = isinstance(inner, ssl.SSLError) and not isinstance(inner, ssl.SSLCertVerificationError)
    if is_wrong_name(inner) or is_other_server:
        return replace(failure, hint=f"another server answers: {CHECK_PROXY_VARIABLES}")
    return failure if failure.hint else replace(failure, hint=f"check the network; {CHECK_PROXY_VARIABLES}")


def _of_status(status: int, title: str) -> NoAnswer:
    named = f', "{title}"' if title else ""
    proxy = f"a proxy may refuse it: {CHECK_PROXY_VARIABLES}"
    return NoAnswer(f"HTTP status {status}{named}", proxy if status in _REFUSALS else "try again later")
