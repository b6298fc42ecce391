"""What a server warns of: a line for its log, and a row of `monitor-agent check`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ServerWarning:
    """What is wrong with a server that runs all the same, and what to do.

    >>> print(ServerWarning("the viewer answers everybody", "set DASHBOARDS_AUTH"))
    the viewer answers everybody: set DASHBOARDS_AUTH
    """

    finding: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.finding}: {self.remedy}"
