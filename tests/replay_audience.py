"""Who is told of a replay: a receiver of messages, and a person who reads the start page after each cycle."""

from __future__ import annotations

import re
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from werkzeug.serving import make_server

from monitor_agent.alerting.definitions import load_alerts
from monitor_agent.dashboards.app import Viewer, create_app
from monitor_agent.dashboards.library import read_library
from monitor_agent.demo.bad_release.findings import Findings
from monitor_agent.demo.event_lines import ReplayClock
from monitor_agent.es.connection import open_gateway
from monitor_agent.es.gateway import Gateway
from monitor_agent.notifying.assembly import make_notifier
from monitor_agent.notifying.notifier import NotificationStatus, Notifier
from monitor_agent.pipeline.instants import EPOCH
from monitor_agent.settings import AgentSettings, ElasticsearchSettings, NotifySettings, NotifyTables, Settings
from tests.notification_receiver import Receiver

TITLES = {alert.title: alert.id for alert in load_alerts()}
_ACTIVE = re.compile(r'<li class="firing (?:critical|warning)">\s*<[^>]+>(.*?)(?: · .*?)?</')


@dataclass(frozen=True)
class ToldCycle:
    """What people saw after one cycle.

    Attributes
    ----------
    messages : kind and alert of each message that came, such as `("ACTIVE", "no-data")`.
    on_page : the alerts that the start page shows as active.
    """

    moment: datetime
    messages: frozenset[tuple[str, str]]
    on_page: frozenset[str]


@dataclass
class Audience:
    """What people have been told, cycle by cycle.

    Attributes
    ----------
    page : address of a viewer that takes the replay's time as the present.
    """

    receiver: Receiver
    clock: ReplayClock
    page: str
    cycles: list[ToldCycle] = field(default_factory=list)

    def first(self, kind: str, alert: str) -> datetime | None:
        """Return when the first message of a kind about an alert came."""
        return next((cycle.moment for cycle in self.cycles if (kind, alert) in cycle.messages), None)

    def first_on_page(self, alert: str) -> datetime | None:
        """Return when the start page first showed an alert as active."""
        return next((cycle.moment for cycle in self.cycles if alert in cycle.on_page), None)

    def notifier(self, gateway: Gateway) -> Notifier:
        """Return the product's notifier; after each cycle this audience reads what has come, and the start page."""
        settings = NotifySettings(urls=(self.receiver.url(),))
        notifier = make_notifier(gateway, settings, NotifyTables(), load_alerts(), "replay")
        assert notifier is not None
        return _ReadingNotifier(self, notifier)

    def read(self, moment: datetime, before: int) -> None:
        """Read the messages since the first `before` ones, and the start page."""
        self.clock.moment = moment
        with urllib.request.urlopen(f"{self.page}/models", timeout=60) as answer:
            page = answer.read().decode()
        messages = {
            (message["title"].partition("]")[0].strip("["), alert)
            for message in self.receiver.messages[before:]
            for alert in re.findall(r"^alert ([\w-]+), firing", message["message"], re.MULTILINE)
        }
        on_page = {TITLES[title] for title in _ACTIVE.findall(page)}
        self.cycles.append(ToldCycle(moment, frozenset(messages), frozenset(on_page)))


class _ReadingNotifier(Notifier):
    def __init__(self, audience: Audience, notifier: Notifier) -> None:
        vars(self).update(vars(notifier))
        self._audience = audience

    def notify(self, now: datetime, settings: Sequence[AgentSettings] = ()) -> NotificationStatus:
        before = len(self._audience.receiver.messages)
        status = super().notify(now, settings)
        self._audience.read(now, before)
        return status


@contextmanager
def audience_of(settings: Settings, reader: ElasticsearchSettings, receiver: Receiver) -> Iterator[Audience]:
    """Yield an audience with a viewer of its own.

    Parameters
    ----------
    settings : of the replay.
    reader : the access of the user of the viewer.
    """
    clock = ReplayClock(EPOCH)
    with closing(open_gateway(reader)) as gateway:
        viewer = Viewer(read_library(Path(settings.kibana.folder)), gateway, clock, Path("no-charts"))
        # A new viewer for each page: one remembers its answer for some seconds, in which a replay runs for hours.
        server = make_server("127.0.0.1", 0, lambda *request: create_app(viewer)(*request), threaded=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield Audience(receiver, clock, f"http://127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()
            thread.join()


def told_in_time(audience: Audience, findings: Findings) -> None:
    """Assert that each firing was told once, in the cycle in which it became active and in which it recovered."""
    for firing in findings.firings:
        assert audience.first("ACTIVE", firing.rule) == firing.active_since, firing.rule
        assert audience.first_on_page(firing.rule) == firing.active_since, firing.rule
        assert audience.first("RECOVERED", firing.rule) == firing.end, firing.rule
    kinds = [message for cycle in audience.cycles for message in cycle.messages if message[0] != "STILL ACTIVE"]
    recovered = [firing for firing in findings.firings if not firing.open]
    assert len(kinds) == len(findings.firings) + len(recovered), kinds
    assert {alert for _, alert in kinds} == {firing.rule for firing in findings.firings}
