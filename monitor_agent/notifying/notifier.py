"""Sends what is due to each channel, at the end of a cycle; all that it knows is in the channels' outboxes."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import structlog

from monitor_agent.alerting.definitions import Alert
from monitor_agent.alerting.firings import Firing
from monitor_agent.alerting.look_back import fitted
from monitor_agent.contracts.alert import ALERTS, STATE_ACTIVE, STATE_RECOVERED
from monitor_agent.errors import ElasticsearchError, SettingsError, in_one_line
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.state_store import StateStore, StoredState
from monitor_agent.notifying.channels import NotificationChannel
from monitor_agent.notifying.firing_facts import read_facts
from monitor_agent.notifying.likely_causes import LONGEST_SECONDS, LikelyCauses
from monitor_agent.notifying.messages import FiringFacts, Message, Renderer
from monitor_agent.notifying.outbox import ACTIVE, LOOK_BACK, RECOVERED, Batch, Outbox, firings_since, next_batch
from monitor_agent.notifying.routes import ChannelRules
from monitor_agent.notifying.silence_store import SilenceStore
from monitor_agent.notifying.summaries import next_summary, without_late_summary
from monitor_agent.notifying.summary_writer import ReportMaker, SummaryWriter
from monitor_agent.pipeline import instants
from monitor_agent.settings import AgentSettings

OUTBOX = "outbox"
"""The kind of the channels' documents in `monitor-agent-state`."""
MOST_FIRINGS = 10_000
SENDING_SECONDS = 15.0
"""After this time no new message begins in a cycle; the next cycle goes on."""
MOST_PICTURES = 3
"""In one message."""
ATTEMPTS = 20
"""How often the receipt of a message is written, if other agents write the same outbox."""


@dataclass(frozen=True)
class NotificationStatus:
    """What a cycle has sent.

    Attributes
    ----------
    failing : the channels that do not work, and why.
    sent, failed : messages by channel.
    """

    failing: Mapping[str, str] = field(default_factory=dict)
    sent: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)


Draw = Callable[[Alert, Firing, datetime], bytes]
"""Returns the picture of a firing as PNG; empty = there is none."""


@dataclass(frozen=True)
class MessageContents:
    """What messages may hold beyond the firing and its numbers.

    Attributes
    ----------
    agent : the settings by which a fall is explained.
    analysis_seconds : how long a message waits for the explanation.
    draw : draws a firing; None = no pictures.
    make_report : writes the report that is attached to summaries; None = none is.
    """

    agent: AgentSettings = field(default_factory=AgentSettings)
    draw: Draw | None = None
    analysis_seconds: float = LONGEST_SECONDS
    make_report: ReportMaker | None = None


class Notifier:
    """Tells the channels of firings.

    Parameters
    ----------
    rules : what each channel is told, by its name.
    alerts : the list of alerts.
    name : the agent's name.
    texts : what makes the texts of messages about firings, and summaries.
    """

    def __init__(
        self,
        gateway: Gateway,
        channels: Sequence[NotificationChannel],
        rules: Mapping[str, ChannelRules],
        texts: tuple[Renderer, SummaryWriter],
        alerts: Iterable[Alert],
        name: str,
        contents: MessageContents | None = None,
    ) -> None:
        contents = contents or MessageContents()
        self._gateway = gateway
        self._states = StateStore(gateway, name)
        self._causes = LikelyCauses(gateway, self._states, contents.agent, contents.analysis_seconds)
        self._draw = contents.draw
        self._silences = SilenceStore(gateway)
        self._channels = {channel.name: channel for channel in channels}
        self._rules = rules
        self._renderer, self._summaries = texts
        self._listed = list(alerts)
        self._alerts = {alert.id: alert for alert in self._listed}
        self._name = name
        self._log = structlog.get_logger()

    def notify(self, now: datetime, settings: Sequence[AgentSettings] = ()) -> NotificationStatus:
        """Send what is due; whatever a channel does, the others go on.

        Parameters
        ----------
        settings : those of each group of models, which the alerts are fitted to; empty = the alerts are as they are.

        Raises
        ------
        ElasticsearchError
            If Elasticsearch cannot be searched or written: then messages wait, or are sent once more.
        """
        status = NotificationStatus()
        if not self._channels:
            return status
        if settings:
            self._alerts = {alert.id: alert for alert in fitted(self._listed, *settings)}
        began = time.monotonic()
        stored = self._outboxes(now)
        firings = self._firings([outbox for _, outbox in stored.values()], now)
        quiet = self._silences.read(now - LOOK_BACK)
        rules = {name: dataclasses.replace(row, quiet=quiet) for name, row in self._rules.items()}
        elapsed = 0.0
        while elapsed < SENDING_SECONDS:
            moment = now + timedelta(seconds=elapsed)
            due = dict(self._claimed(stored, firings, rules, moment))
            if not due:
                break
            self._send(due, firings, status, moment)
            stored = self._outboxes(now)
            elapsed = time.monotonic() - began
        failing = {name: outbox.reason for name, (_, outbox) in stored.items() if outbox.failures}
        return dataclasses.replace(status, failing=failing)

    def _outboxes(self, now: datetime) -> dict[str, tuple[StoredState, Outbox]]:
        """Return the outbox of each channel, and its document; a new channel gets one."""
        ids = [f"{OUTBOX}:{name}" for name in self._channels]
        states = self._states.read(*ids)
        if any(state.version is None for state in states):
            for state in states:
                if state.version is None:
                    self._states.write(state, Outbox(now).content(), now)
            states = self._states.read(*ids)
        return {
            name: (state, without_late_summary(Outbox.from_content(state.content, now), now))
            for name, state in zip(self._channels, states, strict=True)
        }

    def _firings(self, outboxes: Sequence[Outbox], now: datetime) -> dict[str, Firing]:
        """Return the firings that a channel may have to be told of, by their ids."""
        # The evaluation of this cycle may just have written them.
        self._gateway.refresh([ALERTS.alias])
        ended = instants.range_filter("event.end", gte=firings_since(outboxes, now))
        recovered = {"bool": {"filter": [{"term": {"state": STATE_RECOVERED}}, ended]}}
        unfinished = sorted({id_ for outbox in outboxes for id_ in outbox.unfinished})
        kinds: list[dict[str, Any]] = [{"term": {"state": STATE_ACTIVE}}, recovered, {"ids": {"values": unfinished}}]
        query = {
            "bool": {
                "filter": [{"exists": {"field": "active_since"}}],
                "should": kinds,
                "minimum_should_match": 1,
            }
        }
        body = {"query": query, "size": MOST_FIRINGS, "sort": [{"active_since": "asc"}]}
        firings = {}
        for hit in self._gateway.search(ALERTS.alias, body)["hits"]["hits"]:
            try:
                firings[hit["_id"]] = Firing.from_document(hit["_source"])
            except (KeyError, TypeError, ValueError):
                self._log.warning("a firing in model-alerts cannot be read", id=hit["_id"])
        return firings

    def _claimed(
        self,
        stored: Mapping[str, tuple[StoredState, Outbox]],
        firings: Mapping[str, Firing],
        rules: Mapping[str, ChannelRules],
        now: datetime,
    ) -> Iterator[tuple[str, Batch]]:
        """Yield the next message of each channel, once it is written that this agent sends it."""
        for name, (state, outbox) in stored.items():
            if not outbox.may_send(self._name, now):
                continue
            batch = next_batch(outbox, firings.values(), rules[name], now)
            if batch is None and not rules[name].one_by_one:
                batch = next_summary(outbox, self._summaries.due(now))
            if batch is None:
                continue
            if self._states.write(state, outbox.claimed(batch, self._name, now).content(), now):
                yield name, batch

    def _send(
        self, due: Mapping[str, Batch], firings: Mapping[str, Firing], status: NotificationStatus, now: datetime
    ) -> None:
        """Send one message to each channel at the same time; write each receipt as soon as the receiver answers."""
        facts = self._facts(due, firings, now)
        messages = {name: self._message(name, batch, firings, facts, now) for name, batch in due.items()}
        failure: ElasticsearchError | None = None
        with TemporaryDirectory(prefix="pictures-") as folder, ThreadPoolExecutor(len(due)) as pool:
            files = {**self._pictures(due, firings, Path(folder), now), **self._reports(due, Path(folder))}
            running: dict[Future[str], str] = {
                pool.submit(self._channels[name].send, message, files.get(name, ())): name
                for name, message in messages.items()
            }
            for future in as_completed(running):
                name = running[future]
                try:
                    self._record(name, due[name], future.result(), status, now)
                except ElasticsearchError as error:
                    failure = error  # the receipts of the other channels are written all the same
        if failure is not None:
            raise failure

    def _reports(self, due: Mapping[str, Batch], folder: Path) -> dict[str, list[Path]]:
        """Return the reports of summaries, by the channels that take files; each is made once."""
        written: dict[str, list[Path]] = {}
        for name, batch in due.items():
            if batch.about and batch.about not in written and self._channels[name].takes_pictures:
                written[batch.about] = self._summaries.report(batch, folder)
        return {name: written[batch.about] for name, batch in due.items() if batch.about in written}

    def _message(
        self, name: str, batch: Batch, firings: Mapping[str, Firing], facts: Mapping[str, FiringFacts], now: datetime
    ) -> Message:
        if batch.about:
            return self._summaries.message(batch, self._rules[name])
        rows = [firings[id_] for id_ in batch.firings if id_ in firings]
        try:
            return self._renderer.message(batch.kind, batch.key, rows, facts, now)
        except SettingsError as error:
            if self._renderer.installed is None:
                raise
            self._log.error("a message goes out by the installed template", reason=in_one_line(error), key=batch.key)
            return self._renderer.installed.message(batch.kind, batch.key, rows, facts, now)

    def _record(self, name: str, batch: Batch, reason: str, status: NotificationStatus, now: datetime) -> None:
        """Write down that a channel has got a message, or why it has not."""
        log_fields = {
            "channel": name,
            "address": self._channels[name].visible_address,
            "kind": batch.kind,
            "key": batch.key,
        }
        (status.failed if reason else status.sent)[name] += 1
        if reason:
            self._log.error("a notification failed and will be tried again", reason=reason, **log_fields)
        else:
            self._log.info("a notification was sent", firings=len(batch.firings), **log_fields)
        for _ in range(ATTEMPTS):
            (state,) = self._states.read(f"{OUTBOX}:{name}")
            outbox = Outbox.from_content(state.content, now)
            after = outbox.refused(batch, reason, now) if reason else outbox.delivered(batch, now)
            if self._states.write(state, after.content(), now):
                return

    def _pictures(
        self, due: Mapping[str, Batch], firings: Mapping[str, Firing], folder: Path, now: datetime
    ) -> dict[str, list[Path]]:
        """Draw the firings of messages to channels that take pictures; whatever happens, the messages go out."""
        paths: dict[str, Path | None] = {}
        for name, batch in due.items():
            if self._draw is None or batch.kind == RECOVERED or not self._channels[name].takes_pictures:
                continue
            for id_ in batch.firings[:MOST_PICTURES]:
                if id_ in firings and id_ not in paths:
                    paths[id_] = self._picture(firings[id_], folder, now)
        return {
            name: [path for id_ in batch.firings[:MOST_PICTURES] if (path := paths.get(id_)) is not None]
            for name, batch in due.items()
            if batch.kind != RECOVERED and self._channels[name].takes_pictures
        }

    def _picture(self, firing: Firing, folder: Path, now: datetime) -> Path | None:
        alert = self._alerts.get(firing.rule)
        if alert is None or self._draw is None:
            return None
        try:
            content = self._draw(alert, firing, now)
        except Exception as error:  # noqa: BLE001 - a fault of a picture must not keep a message back
            self._log.info("a message goes without its picture", firing=firing.id, reason=in_one_line(error))
            return None
        if not content:
            return None
        path = folder / f"{firing.rule}-{firing.id[:12]}.png"
        path.write_bytes(content)
        return path

    def _facts(self, due: Mapping[str, Batch], firings: Mapping[str, Firing], now: datetime) -> dict[str, FiringFacts]:
        """Return what is known of the firings of some messages: numbers, and what a fall comes from."""
        rows = {id_: firings[id_] for batch in due.values() for id_ in batch.firings if id_ in firings}
        facts = read_facts(self._gateway, rows.values(), self._alerts)
        analyse = any(batch.kind == ACTIVE for batch in due.values())
        for id_, analysis in self._causes.of(rows, facts, now, analyse=analyse).items():
            known_facts = facts.get(id_, FiringFacts())
            facts[id_] = dataclasses.replace(known_facts, cause=analysis.cause, explain_command=analysis.command)
        return facts
