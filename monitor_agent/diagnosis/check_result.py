"""One row of `monitor-agent check`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from monitor_agent.http_client.address import mask_credentials

OK, WARNING, FAILED, SKIPPED = "ok", "warning", "failed", "skipped"
STATES = (OK, WARNING, FAILED, SKIPPED)
SHORTEST_SECRET = 4
"""A shorter text would be found inside other words; Elasticsearch accepts no password of fewer than six characters."""


@dataclass(frozen=True)
class CheckResult:
    """The result of one check.

    Attributes
    ----------
    check : what was checked.
    state : `ok`, `warning`, `failed`, or `skipped` if the check does not apply.
    finding : what was found.
    remedy : what the user can do; empty if there is nothing to do.
    """

    check: str
    state: str
    finding: str
    remedy: str = ""


def without_secrets(results: Iterable[CheckResult], secrets: Iterable[str]) -> list[CheckResult]:
    """Return results without passwords and without the logins of URLs.

    >>> (row,) = without_secrets([CheckResult("a", "ok", "http://me:pw@host and secret")], ["secret", ""])
    >>> row.finding
    'http://***@host and ***'
    """
    hidden = [secret for secret in secrets if len(secret) >= SHORTEST_SECRET]

    def clean(text: str) -> str:
        text = mask_credentials(text)
        for secret in hidden:
            text = text.replace(secret, "***")
        return text

    return [replace(result, finding=clean(result.finding), remedy=clean(result.remedy)) for result in results]
