"""What the message about a fallen version holds: its links, the cause of the fall and a picture, on stored events."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path

import pytest

from monitor_agent.alerting.definitions import load_alerts
from monitor_agent.cli import main
from monitor_agent.contracts.agent_state import AGENT_STATE
from monitor_agent.contracts.alert import ALERTS
from monitor_agent.contracts.verdict import VERDICTS
from monitor_agent.dashboards.firing_picture import firing_picture
from monitor_agent.es.gateway import Gateway
from monitor_agent.notifying.assembly import make_notifier
from monitor_agent.notifying.likely_causes import CAUSES, CauseAnalysis, analyses_in
from monitor_agent.notifying.notifier import MessageContents, Notifier
from monitor_agent.settings import AgentSettings, NotifySettings, NotifyTables
from tests.alert_story import WORSE
from tests.cluster import Cluster
from tests.command_environments import analyst_variables
from tests.factories import START, Document, deliver, iso
from tests.integration.test_explain_drop import HOUR, MINUTE, N, clicked, young_fall
from tests.notification_receiver import Receiver, receiving

NOW = START + 4 * HOUR
FELL = replace(
    WORSE,
    start=START + 2 * HOUR,
    active_since=START + 2 * HOUR,
    evaluated=NOW,
    inhibited_by=(),
    group=(("model_name", "broken"), ("model_version", "2")),
)
YOUNG_NOW = START + 27 * MINUTE
YOUNG = replace(
    FELL,
    start=START + 20 * MINUTE,
    active_since=START + 25 * MINUTE,
    evaluated=YOUNG_NOW,
    group=(("model_name", "young"), ("model_version", "2")),
)
PATIENCE_SECONDS = 120.0
"""Machines that run the tests may be busy with other work."""
PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def fallen(installed: Cluster) -> Cluster:
    """Store a version that is worse in one scene, and the firing about it."""
    documents: list[Document] = []
    for version, ad_clicks in (("1", 180), ("2", 30)):
        for hour in range(2):
            at = START + hour * HOUR
            documents += clicked(N, 180, at, model="broken", version=version, scene="search")
            documents += clicked(N, ad_clicks, at, model="broken", version=version, scene="ad")
    with installed.client() as admin:
        deliver(admin, documents)
        for number in range(12):
            at = START + 2 * HOUR + number * timedelta(minutes=5)
            verdict = {**VERDICTS.sample, "@timestamp": iso(at), "model_name": "broken", "rate_since": iso(START)}
            admin.index(index=VERDICTS.index_for(at), document=verdict)
        admin.index(index=ALERTS.index_for(FELL.start), id=FELL.id, document=FELL.document())
        deliver(admin, young_fall("young", START))
        verdict |= {"@timestamp": iso(YOUNG_NOW - MINUTE), "model_name": "young", "counted": "early"}
        admin.index(index=VERDICTS.index_for(START), document=verdict)
        admin.indices.refresh(index="model-*")
    return installed


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Yield a receiver that answers."""
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def young(fallen: Cluster) -> Iterator[Cluster]:
    """Store the firing about a fall that is half an hour old, and remove it and all that was analysed afterwards."""
    with fallen.client() as admin:
        index = ALERTS.index_for(YOUNG.start)
        admin.index(index=index, id=YOUNG.id, document=YOUNG.document(), refresh=True)
        yield fallen
        admin.delete(index=index, id=YOUNG.id, refresh=True)
        admin.options(ignore_status=404).delete(index=AGENT_STATE.name, id=CAUSES, refresh=True)


def notifier_on(
    gateway: Gateway, receiver: Receiver, path: str = "alerts", seconds: float = PATIENCE_SECONDS
) -> Notifier:
    """Return a notifier with one channel."""
    settings = NotifySettings(urls=(receiver.url(path),), dashboards_url="https://d.test")
    contents = MessageContents(
        AgentSettings(segments=("scene",)),
        lambda alert, firing, now: firing_picture(gateway, alert, firing, now),
        seconds,
    )
    notifier = make_notifier(gateway, settings, NotifyTables(), load_alerts(), "agent", contents)
    assert notifier is not None
    return notifier


def test_a_message_names_the_cause_and_holds_a_picture(fallen: Cluster, receiver: Receiver) -> None:
    """The segment with its numbers, both links, and a picture; a retry analyses nothing again."""
    with fallen.client("monitor_agent") as client:
        gateway = Gateway(client)
        notifier = notifier_on(gateway, receiver)
        receiver.status = HTTPStatus.SERVICE_UNAVAILABLE
        notifier.notify(NOW)
        analysed = client.get(index=AGENT_STATE.name, id=CAUSES)["_source"]["content"][CAUSES][FELL.id]
        receiver.status = HTTPStatus.OK
        notifier.notify(NOW + timedelta(minutes=1))
        again = client.get(index=AGENT_STATE.name, id=CAUSES)["_source"]["content"][CAUSES][FELL.id]

    (message,) = receiver.messages
    assert (
        "most of the fall comes from scene=ad (30 % before, 5 % now; it explains 100 % of the fall)"
        in (message["message"])
    )
    assert f"https://d.test/alerts/{FELL.id}" in message["message"]
    assert "https://d.test/dashboards/model-quality?from=" in message["message"]
    (picture,) = message["attachments"]
    assert base64.b64decode(picture["base64"]).startswith(PNG)
    assert again == analysed


def test_a_message_goes_out_without_what_fails(fallen: Cluster, receiver: Receiver, tmp_path: Path) -> None:
    """No picture, no cause, and no template of one's own that fails for it keep it back."""

    def fail(*_: object) -> bytes:
        raise RuntimeError("no fonts")

    with fallen.client("monitor_agent") as client:
        gateway = Gateway(client)
        template = tmp_path / "mine.txt"
        template.write_text("{{ kind }}\n{{ {'click': 1, '': 1}[firings[0].model] }}")
        settings = NotifySettings(urls=(receiver.url("second"),), template=str(template))
        contents = MessageContents(AgentSettings(segments=("scene",)), fail)
        notifier = make_notifier(gateway, settings, NotifyTables(), load_alerts(), "agent", contents)
        assert notifier is not None
        notifier.notify(NOW + timedelta(minutes=2))

    (message,) = receiver.messages
    assert message["title"] == "[ACTIVE] broken/2: A version is worse"
    assert not message["attachments"]
    assert "https://" not in message["message"]


def message_about_young(cluster: Cluster, receiver: Receiver, path: str, seconds: float) -> str:
    """Return the text of the first message about the young fall."""
    with cluster.client("monitor_agent") as client:
        notifier_on(Gateway(client), receiver, path, seconds).notify(YOUNG_NOW)
    (text,) = [row["message"] for row in receiver.messages if YOUNG.id in row["message"]]
    return str(text)


def test_the_first_message_of_a_young_fall_names_its_segment(young: Cluster, receiver: Receiver) -> None:
    """No label is final yet: the clicks within five minutes name the segment, as they made the alert fire."""
    text = message_about_young(young, receiver, "young", PATIENCE_SECONDS)

    assert "of the fall comes from scene=ad (" in text
    assert "; it explains 100 % of the fall), by clicks within 5m\n" in text


def test_a_message_says_that_the_analysis_did_not_finish(
    young: Cluster, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without time for it, the message names the command, which names the segment; it is not told as no cause."""
    text = message_about_young(young, receiver, "late", 0.0)
    command = text.partition("what the fall comes from was not analysed in time; run: ")[2].partition("\n")[0]
    for name, value in analyst_variables(young).items():
        monkeypatch.setenv(name, value)
    arguments = shlex.split(command)

    assert arguments[:2] == ["monitor-agent", "explain-drop"]
    assert main(arguments[1:]) == 0
    assert "labels.scene = ad fell from" in capsys.readouterr().out
    with young.client("monitor_agent") as client:
        stored = client.get(index=AGENT_STATE.name, id=CAUSES)["_source"]["content"]
    assert analyses_in(stored)[YOUNG.id] == CauseAnalysis(None, command)
