"""The scenario `bad-release` as a command shows it: what is simulated, the replay, the verdict, where to look."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from pathlib import Path

from monitor_agent.dashboards.addresses import dashboard_address
from monitor_agent.demo.bad_release.findings import NAME_WIDTH, Findings, further_lines, troubles_table, verdict_lines
from monitor_agent.demo.bad_release.plans import DAY_AND_A_HALF, FORTNIGHT
from monitor_agent.demo.bad_release.scenario import BASE, BadRelease, agent_settings
from monitor_agent.demo.display import Display
from monitor_agent.demo.folder import DemoFolder
from monitor_agent.demo.stage import displayed_path, scenario_settings, stage
from monitor_agent.es.gateway import Gateway
from monitor_agent.settings import Settings

FIRST = "versions-compared"
"""The dashboard whose address is printed."""
SIMULATED = """\
What is simulated: the visits, the clicks and the trouble. The 80 items, their prices and how often they were shown
are real (Open Bandit log, CC BY 4.0). Clicks are drawn from a position-based click model: a visitor looks at rank r
with the probability 1/sqrt(r), and clicks by the item's popularity, its price and the visitor's favourite group. The
lines go through the product's own pipeline, agent and alerts, hour by hour, by a clock that runs through the past.
The numbers are the same on every run; only the dates follow the present.
"""


def run_fortnight(settings: Settings, out: Path, display: Display, now: datetime | None = None) -> Findings:
    """Replay the fortnight on an Elasticsearch of its own, and print what the product found."""
    for line in SIMULATED.splitlines():
        display.print_line(line)
    display.print_line("")
    with stage(scenario_settings(settings, out, agent_settings()), out, display, "demo") as place:
        replay = BadRelease(FORTNIGHT, place.product.settings, place.gateway, place.folder.log, display, now)
        findings = replay.run()
        _print(findings, display)
        world = findings.world
        place.print_locations(FIRST, world.start, world.end, window="1h", model=world.rollout.model)
    return findings


def run_short(settings: Settings, gateway: Gateway, folder: DemoFolder, display: Display) -> Findings:
    """Replay a day and a half beside the data of another demo, by its windows and segments; print what was found."""
    display.print_line("And what the product is for: a bad release in a simulated search (the last day and a half)")
    agent = dataclasses.replace(settings.agent, period=BASE)
    replay = BadRelease(
        DAY_AND_A_HALF,
        dataclasses.replace(settings, agent=agent),
        gateway,
        folder.log / "bad-release",
        display,
    )
    findings = replay.run()
    for line in ("", *verdict_lines(findings)):
        display.print_line(line)
    world = findings.world
    address = dashboard_address(settings, FIRST, world.start, world.end, window="1h", model=world.rollout.model)
    rows = {
        "look at": address,
        "": f"after `monitor-agent dashboards --data {displayed_path(folder.stack)}`",
        "more": "monitor-agent demo --scenario bad-release: a fortnight, three models, more trouble",
    }
    for title, text in rows.items():
        display.print_line(f"  {title:<{NAME_WIDTH}} {text}")
    display.print_line("")
    return findings


def _print(findings: Findings, display: Display) -> None:
    display.print_line("")
    written = f"{findings.predictions:,} predictions and {findings.clicks:,} clicks were written"
    display.print_line(f"{written}; {findings.lost} lines were lost")
    for line in ("", *verdict_lines(findings)):
        display.print_line(line)
    display.print_table(troubles_table(findings))
    for line in further_lines(findings):
        display.print_line(line)
