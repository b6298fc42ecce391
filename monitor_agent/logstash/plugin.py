"""What a plugin is to the runner: the events it handles, its options, and the kinds of plugins with their duties.

A plugin is a module `inputs/NAME.py`, `filters/NAME.py`, `outputs/NAME.py` or `codecs/NAME.py` with one `SPEC`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol, runtime_checkable

from monitor_agent.logstash.syntax import Location
from monitor_agent.settings import PipelineSettings

Event = dict[str, Any]
"""One event: nested JSON values. `@timestamp` is a `timestamps.Timestamp`; `@metadata`, if there, is never put out."""


@dataclass(frozen=True)
class PipelineContext:
    """The surroundings of a pipeline: its settings, the streams of the process and the stop signal.

    Attributes
    ----------
    stdin, stdout : the streams of the plugins of these names.
    host : the name of this machine, for `host.name` and `host.hostname`.
    ca_certs : file with the certificate authority for outputs that name none; "" = that of the system.
    stopping : set when the runner stops; a plugin that waits for something waits on it too.
    """

    settings: PipelineSettings
    stdin: BinaryIO
    stdout: BinaryIO
    host: str
    ca_certs: str = ""
    stopping: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class PluginOption:
    """One option that a plugin knows.

    Attributes
    ----------
    kind : `string`, `number`, `duration` (seconds), `boolean`, `array`, `hash`, `codec` or `password`.
    choices : the only values allowed; empty = any.
    """

    name: str
    kind: str = "string"
    default: Any = None
    required: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class PluginConfig:
    """A plugin of a configuration, its options checked, converted and with their defaults.

    Attributes
    ----------
    name, id : the plugin's name; its `id` option, or one made of its place.
    options : every option of the plugin, by name; a codec is a `Codec` that is ready for use.
    common : `add_field`, `remove_field`, `add_tag`, `remove_tag`, `type`, `tags` where given.
    counters : what it did; the compiler counts the events, a plugin its failures.
    """

    name: str
    id: str
    options: Mapping[str, Any]
    common: Mapping[str, Any]
    at: Location
    counters: PluginCounters


@dataclass(frozen=True)
class PluginSpec:
    """A plugin that configurations may use: its name, its own options and how it is made.

    `build(configured, context)` does no input or output; it returns an Input, Filter, Output or Codec.
    """

    kind: str
    name: str
    options: tuple[PluginOption, ...]
    build: Callable[[PluginConfig, PipelineContext], Any]


@dataclass
class EventBatch:
    """Events read together.

    Attributes
    ----------
    events : in the order read.
    position : what the input needs to remember once all of them are delivered; opaque to everyone else.
    bytes : how much was read for them.
    """

    events: list[Event]
    position: Any = None
    bytes: int = 0


class Codec(Protocol):
    """Turns bytes into events and back. Inputs that read lines call `decode` once a line, without its newline."""

    def decode(self, data: bytes) -> list[Event]:
        """Return the events in `data`, each with `@timestamp` and `@version`; malformed data become a tagged one."""

    def encode(self, event: Event) -> bytes:
        """Return the event as bytes, with the delimiter if the codec has one; the event is not changed."""


class Input(Protocol):
    """Where events come from. All calls come from one thread, but for `acknowledge`, which comes from another."""

    def open(self) -> None:
        """Get ready; raise PipelineError where that cannot be."""

    def read(self, most: int) -> EventBatch | None:
        """Return up to `most` events that are there now, without waiting; None where there are none."""

    @property
    def finished(self) -> bool:
        """Whether nothing will ever come again (standard input has ended)."""

    def acknowledge(self, positions: Sequence[Any]) -> None:
        """Remember positions, in the order read: their events are delivered, or kept as dead letters."""

    def close(self) -> None:
        """Let go of everything; called once, after the last acknowledgement."""


@runtime_checkable
class BacklogSource(Protocol):
    """An input that knows how much is still to come."""

    id: str

    def backlog(self) -> dict[str, int | float]:
        """Return, among others, `bytes_behind`: bytes that are there and not delivered."""


class Filter(Protocol):
    """Changes events in place."""

    def filter(self, event: Event) -> bool:
        """Change the event; return False where it is to be dropped."""


class Output(Protocol):
    """Where events go. `send` may be called by several threads at once."""

    def open(self) -> None:
        """Get ready; raise PipelineError where that cannot be."""

    def send(self, events: Sequence[Event]) -> None:
        """Return when every event is delivered or kept as a dead letter; retried until then.

        Raises `Stopping` when the runner stops before that: the events are read again at the next start.
        """

    def close(self) -> None:
        """Flush and let go of everything."""


class Stopping(Exception):  # noqa: N818 - not an error: the runner was asked to stop
    """Raised by an output that gives up waiting because the runner stops."""


@dataclass
class PluginCounters:
    """What one plugin did, for `pipeline stats`."""

    events_in: int = 0
    events_out: int = 0
    seconds: float = 0.0
    failures: dict[str, int] = field(default_factory=dict)

    def fail(self, reason: str) -> None:
        """Count a failure, by its tag or a short name."""
        self.failures[reason] = self.failures.get(reason, 0) + 1
