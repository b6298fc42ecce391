"""Summaries on a real Elasticsearch, to a stand-in receiver."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from monitor_agent.alerting.definitions import load_alerts
from monitor_agent.es.gateway import Gateway
from monitor_agent.notifying.assembly import make_notifier
from monitor_agent.notifying.notifier import MessageContents, Notifier
from monitor_agent.pipeline.instants import Interval
from monitor_agent.settings import NotifySettings, NotifyTables, RouteTable
from tests.integration.agent_world import World
from tests.integration.test_verdicts import NOW, Traffic, alerted, fill, judged
from tests.notification_receiver import receiving

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def notifier(world: World, name: str, settings: NotifySettings, tables: NotifyTables) -> Notifier:
    """Return the notifier of one of several agents."""

    def make_report(interval: Interval, folder: Path) -> Path:
        assert interval.end - interval.start == DAY
        (folder / "report.pdf").write_bytes(b"%PDF-1.7")
        return folder / "report.pdf"

    contents = MessageContents(make_report=make_report)
    agent_notifier = make_notifier(Gateway(world.agent), settings, tables, load_alerts(), name, contents)
    assert agent_notifier is not None
    return agent_notifier


@pytest.mark.parametrize("language", ["en", "zh"])
def test_each_channel_gets_a_summary_once_with_what_fell(world: World, language: str) -> None:
    """Two agents, and no earlier summary: one message, with the report; a channel of other models hears of none."""
    fill(world, Traffic(fallen=20))
    judged(world, NOW - 10 * MINUTE)
    alerted(world, NOW - 10 * MINUTE)
    with receiving() as receiver, receiving() as elsewhere:
        settings = NotifySettings(urls=(receiver.url(),), summary_daily="14:00", summary_time_zone="Europe/Berlin")
        settings = NotifySettings(**{**vars(settings), "language": language})
        tables = NotifyTables({"other": elsewhere.url()}, (RouteTable(("other",), models=("ads",)),))
        first, second = (notifier(world, name, settings, tables) for name in ("a", "b"))
        moments: tuple[datetime, ...] = (NOW - 9 * MINUTE, NOW, NOW + MINUTE, NOW + 20 * 60 * MINUTE)
        for moment in moments:
            for agent in (first, second):
                agent.notify(moment)
                world.admin.indices.refresh(index="monitor-agent-state")
        messages = [message for message in receiver.messages if message["type"] == "info"]
        of_other_models = list(elsewhere.messages)

    (message,) = messages
    (other_message,) = of_other_models
    text = message["message"]
    assert ("SUMMARY" in message["title"]) == (language == "en")
    assert "2026-04-01 12:00 UTC" in text
    assert "click" in text
    assert "worse-version/1" in text
    assert ("Version 1 has fallen: rate is" in text) == (language == "en")
    (attached,) = message["attachments"]
    assert base64.b64decode(attached["base64"]) == b"%PDF-1.7"
    assert "click" not in json.dumps(other_message, ensure_ascii=False)
