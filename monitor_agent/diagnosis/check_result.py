"""One row of `monitor-agent check`."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARNING, FAILED, SKIPPED = "ok", "warning", "failed", "skipped"
STATES = (OK, WARNING, FAILED, SKIPPED)


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
