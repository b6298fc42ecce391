"""The output `file`: appends events to files; a file name may depend on the event."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import structlog

from monitor_agent.logstash.files.durable import append_file, make_folder
from monitor_agent.logstash.language.sprintf import compile_template, is_dynamic
from monitor_agent.logstash.plugin import Codec, Event, PipelineContext, PluginConfig, PluginOption, PluginSpec

_log = structlog.get_logger()


class FileOutput:
    """Appends a batch at once and forces it to disk; a crash right after that may repeat the batch, but not lose it.

    The fixed beginning of `path` is a folder. An event whose path would leave that folder (by `..` in a field) goes
    into the file `filename_failure` in it.
    """

    def __init__(self, config: PluginConfig, _context: PipelineContext) -> None:
        options, at = config.options, config.at
        path = Path(options["path"]).absolute()
        self._fixed = None if is_dynamic(str(path)) else path
        self._root = _fixed_folder(path)
        if self._root == Path("/"):
            raise at.error(
                "'path' must not begin with a value of the event", "begin it with a folder: /var/data/%{...}"
            )
        self._render = compile_template(str(path), at)
        self._failures: Path = self._root / options["filename_failure"]
        self._codec: Codec = options["codec"]
        self._counters = config.counters

    def open(self) -> None:
        """Make the folder.

        Raises
        ------
        PipelineError
            If it cannot be made.
        """
        make_folder(self._root, private=False)

    def prepare(self, events: Sequence[Event]) -> list[tuple[Path, bytes]]:
        """Return the file of each event, and the event as the codec writes it."""
        return [(self._fixed or self._path_of(event), self._codec.encode(event)) for event in events]

    def send(self, prepared: Sequence[tuple[Path, bytes]]) -> None:
        """Return when the events are on disk.

        Raises
        ------
        PipelineError
            If a file cannot be written.
        """
        written: dict[Path, list[bytes]] = {}
        for path, line in prepared:
            written.setdefault(path, []).append(line)
        for path, lines in written.items():
            make_folder(path.parent, private=False)
            append_file(path, b"".join(lines), private=False)
        self._counters.count(len(prepared))

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def _path_of(self, event: Event) -> Path:
        text = self._render(event)
        if "\0" not in text:
            path = Path(text).resolve()
            if self._root.resolve() in path.parents:
                return path
        self._counters.fail("outside")
        _log.warning("an event named a file outside of the output's folder", path=text, written_to=str(self._failures))
        return self._failures


def _fixed_folder(path: Path) -> Path:
    """Return the innermost folder of a path that is the same for all events."""
    fixed = itertools.takewhile(lambda name: not is_dynamic(name), path.parent.parts)
    return Path(*fixed)


SPEC = PluginSpec(
    "output",
    "file",
    (
        PluginOption("path", required=True),
        PluginOption("codec", "codec", default="json_lines"),
        PluginOption("filename_failure", default="_filepath_failures"),
        # Each batch is flushed at once, earlier than after any interval; a file that was deleted is made again.
        PluginOption("flush_interval", "number", default=2),
        PluginOption("create_if_deleted", choices=("true",), default="true"),
        PluginOption("write_behavior", choices=("append",), default="append"),
        PluginOption("gzip", choices=("false",), default="false"),
    ),
    FileOutput,
)
