"""The interface between plugins and the runner: events, options, and the protocol of each kind of plugin.

A plugin is a module `inputs/NAME.py`, `filters/NAME.py`, `outputs/NAME.py` or `codecs/NAME.py` with one `SPEC`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol, runtime_checkable

from monitor_agent.logstash.language.python_code import PythonCode
from monitor_agent.logstash.language.syntax import Location
from monitor_agent.settings import PipelineSettings

Event = dict[str, Any]
"""One event: nested JSON values. `@timestamp` is a `timestamps.Timestamp`; outputs never write `@metadata`."""


@dataclass(frozen=True)
class PipelineContext:
    """The surroundings of a pipeline: its settings, the streams of the process and the stop signal.

    Attributes
    ----------
    stdin, stdout : the streams of the plugins of these names.
    host : the name of this machine, for `host.name` and `host.hostname`.
    ca_certs : file with the certificate authority for outputs that name none; "" = that of the system.
    drain_seconds : after a stop signal, the runner first delivers what its inputs hold, for at most this time.
    draining : set from that signal on.
    stopping : set when the runner stops; a plugin that waits for something waits on it too.
    """

    settings: PipelineSettings
    stdin: BinaryIO
    stdout: BinaryIO
    host: str
    ca_certs: str = ""
    drain_seconds: float = 0.0
    draining: threading.Event = field(default_factory=threading.Event)
    stopping: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class PluginOption:
    """One option of a plugin.

    Attributes
    ----------
    kind : `string`, `number`, `duration` (seconds), `boolean`, `array`, `hash`, `codec`, `codecs`
        (by name) or `password`.
    choices : the only values allowed; empty = any.
    """

    name: str
    kind: str = "string"
    default: Any = None
    required: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class PluginConfig:
    """A plugin of a configuration, with checked and converted options.

    Attributes
    ----------
    name, id : the plugin's name; its `id` option, or one made of its place.
    options : all options of the plugin, by name, with defaults; a codec is a `Codec` that is ready for use.
    common : those of `add_field`, `remove_field`, `add_tag`, `remove_tag`, `type`, `tags` that are written.
    counters : the compiler counts the events, a plugin its failures.
    """

    name: str
    id: str
    options: Mapping[str, Any]
    common: Mapping[str, Any]
    at: Location
    counters: PluginCounters


@dataclass(frozen=True)
class PluginSpec:
    """A plugin that configurations may use: its kind, its name, its options and its constructor.

    `build(config, context)` does no input or output; it returns an Input, Filter, Output or Codec.
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
    events : in the order of reading; they may be made only when they are taken, so they are taken once.
    position : the input stores it as soon as all events are delivered; only the input reads it.
    bytes : the bytes read for them.
    """

    events: Iterable[Event]
    position: Any = None
    bytes: int = 0


class Codec(Protocol):
    """Turns bytes into events and back. Inputs that read lines call `decode` once a line, without its newline."""

    def decode(self, data: bytes) -> list[Event]:
        """Return the events in `data`, all with `@timestamp` and `@version`; malformed data become a tagged event."""

    def encode(self, event: Event) -> bytes:
        """Return the event as bytes, with the codec's delimiter if it has one; the event is not changed."""


class Input(Protocol):
    """A source of events. All calls come from one thread, except `acknowledge`, which another thread calls."""

    def open(self) -> None:
        """Prepare for work.

        Raises
        ------
        PipelineError
            If that is not possible.
        """

    def read(self, limit: int) -> EventBatch | None:
        """Return up to `limit` events that are there now, without waiting; None if there are none."""

    @property
    def finished(self) -> bool:
        """Whether there will be no more events (standard input has ended)."""

    def acknowledge(self, positions: Sequence[Any]) -> None:
        """Store positions, in the order of reading: their events are delivered or are dead letters."""

    def close(self) -> None:
        """Release all resources; called once, after the last acknowledgement."""


@runtime_checkable
class BacklogSource(Protocol):
    """An input that can count the bytes that are not delivered yet."""

    id: str

    def backlog(self) -> dict[str, int | float]:
        """Return, among others, `bytes_behind`: the bytes that are there and not delivered."""


@runtime_checkable
class ParkingOutput(Protocol):
    """An output that parks documents on disk, so that other documents need not wait for them.

    Attributes
    ----------
    parked_folder : where they are.
    """

    parked_folder: Path

    def parked(self) -> list[Any]:
        """Return a `parked_documents.ParkedCount` for each index and reason."""


class Filter(Protocol):
    """Changes events in place."""

    def filter(self, event: Event) -> bool:
        """Change the event; return False if it is to be dropped."""


@runtime_checkable
class WrittenFilter(Protocol):
    """A filter that writes its work as lines of the function that runs all filters, because it runs very often."""

    def write(self, code: PythonCode) -> None:
        """Write the lines that change `event`; they drop no event and raise nothing."""


class Output(Protocol):
    """A destination of events.

    One thread calls `prepare`. It is the thread that has just made the events, while they are in the processor's
    cache; so events are short-lived. Several threads may call `send` at once.
    """

    def open(self) -> None:
        """Prepare for work.

        Raises
        ------
        PipelineError
            If that is not possible.
        """

    def prepare(self, events: Sequence[Event]) -> Sequence[Any]:
        """Return the events in the form in which they are sent, which does not hold the events themselves."""

    def send(self, prepared: Sequence[Any]) -> None:
        """Deliver prepared events, retrying until all of them are delivered or are dead letters.

        Raises
        ------
        Stopping
            If the runner stops before that; the events are read again at the next start.
        """

    def close(self) -> None:
        """Flush and release all resources."""


class Stopping(Exception):  # noqa: N818 - not an error: somebody stops the runner
    """Raised by an output that stops waiting because the runner stops."""


@dataclass
class PluginCounters:
    """The counts of one plugin, for `pipeline stats`."""

    events_in: int = 0
    events_out: int = 0
    seconds: float = 0.0
    failures: dict[str, int] = field(default_factory=dict)

    def count(self, number: int) -> None:
        """Count events that came in and went out."""
        self.events_in += number
        self.events_out += number

    def fail(self, reason: str) -> None:
        """Count a failure, by its tag or a short name."""
        self.failures[reason] = self.failures.get(reason, 0) + 1
