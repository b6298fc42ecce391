"""The scenarios of `monitor-agent demo --scenario NAME`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from monitor_agent.demo.advertising import scenario as advertising
from monitor_agent.demo.bad_release.report import run_fortnight
from monitor_agent.demo.display import Display
from monitor_agent.demo.fraud import scenario as fraud
from monitor_agent.demo.medical import scenario as medical
from monitor_agent.settings import Settings

SEARCH = "search"
"""The default: the click log of the shop, replayed through the model server."""


@dataclass(frozen=True)
class Scenario:
    """A scenario with data of its own.

    Attributes
    ----------
    summary : one line for the help.
    run : runs it: settings, folder for all output, output for the user.
    """

    summary: str
    run: Callable[[Settings, Path, Display], object]


FURTHER: Mapping[str, Scenario] = {
    "ads": Scenario("real impressions, purchases days later, two advertisers", advertising.run),
    "medical": Scenario("real diagnoses by a numeric model, a doctor's label for a third of the cases", medical.run),
    "fraud": Scenario("card transactions from tables, chargebacks weeks later, a new pattern of fraud", fraud.run),
    "bad-release": Scenario("a fortnight of three models, with a release that is subtly broken", run_fortnight),
}
NAMES = (SEARCH, *FURTHER)
