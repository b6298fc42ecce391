"""The `file` input: the lines of files, which are followed as they grow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from monitor_agent.logstash.decoration import input_decoration
from monitor_agent.logstash.files.durable import make_folder
from monitor_agent.logstash.files.file_patterns import literal_pattern
from monitor_agent.logstash.files.file_selection import FileSelection
from monitor_agent.logstash.files.positions import Positions
from monitor_agent.logstash.inputs._files import FilesInput
from monitor_agent.logstash.plugin import Event, PipelineContext, PluginConfig, PluginOption, PluginSpec

POSITIONS_NAME = "positions.json"


class FileInput(FilesInput):
    """Reads the files of `path`; it stores its positions beside `sincedb_path`, in another format."""

    def __init__(self, config: PluginConfig, context: PipelineContext) -> None:
        options = config.options
        self._decorate = input_decoration(config) if config.common.keys() - {"id"} else None
        self._host = context.host
        self.delimiter: bytes = options["delimiter"].encode()
        self._positions_path = _positions_path(config, context)
        selection = FileSelection(
            patterns=[_absolute(path) for path in options["path"]],
            excluded=options["exclude"],
            from_beginning=options["start_position"] == "beginning",
            newest_last=options["file_sort_by"] == "last_modified",
            delimiter=self.delimiter,
            poll_seconds=options["stat_interval"],
            discover_seconds=options["stat_interval"] * options["discover_interval"],
            close_seconds=options["close_older"],
            removable=_removable(context),
        )
        super().__init__(config, selection, Positions(self._positions_path))

    def open(self) -> None:
        """Make the folder of the positions, then find the files."""
        if self._positions_path is not None:
            make_folder(self._positions_path.parent)
        super().open()

    def events_of(self, line: bytes, path: str) -> list[Event]:
        """Return the events of a line of the file at `path`, described as Logstash does."""
        events = self._codec.decode(line)
        for event in events:
            self._describe(event, path)
            if self._decorate is not None:
                self._decorate(event)
        return events

    def _describe(self, event: Event, path: str) -> None:
        """Add the path of the file and the host, as Logstash does in ECS mode: only if the line has no such field."""
        event["@metadata"] = {"path": path, "host": self._host}
        log = event.get("log")
        if log is None and "log" not in event:
            event["log"] = {"file": {"path": path}}
        elif type(log) is dict:
            file = log.setdefault("file", {})
            if type(file) is dict:
                file.setdefault("path", path)
        host = event.get("host")
        if host is None and "host" not in event:
            event["host"] = {"name": self._host}
        elif type(host) is dict:
            host.setdefault("name", self._host)


def _absolute(pattern: str) -> str:
    """Return a pattern that does not depend on the present folder, whose name stands for itself."""
    return pattern if pattern.startswith("/") else f"{literal_pattern(str(Path.cwd()))}/{pattern}"


def _positions_path(config: PluginConfig, context: PipelineContext) -> Path | None:
    sincedb_path = config.options["sincedb_path"]
    if sincedb_path is None:
        return Path(context.settings.data_dir) / f"{config.id}.{POSITIONS_NAME}"
    return None if sincedb_path == "/dev/null" else Path(f"{sincedb_path}.{POSITIONS_NAME}")


def _removable(context: PipelineContext) -> Callable[[str, float], bool] | None:
    seconds = context.settings.remove_after.total_seconds()
    return (lambda _path, idle: idle > seconds) if seconds else None


SPEC = PluginSpec(
    "input",
    "file",
    (
        PluginOption("path", "array", required=True),
        PluginOption("codec", "codec", default="plain"),
        PluginOption("mode", choices=("tail",), default="tail"),
        PluginOption("start_position", choices=("beginning", "end"), default="end"),
        PluginOption("sincedb_path"),
        PluginOption("exclude", "array", default=[]),
        PluginOption("delimiter", default="\n"),
        PluginOption("stat_interval", "duration", default=1.0),
        PluginOption("discover_interval", "number", default=15),
        PluginOption("close_older", "duration", default=3600.0),
        PluginOption("file_sort_by", choices=("last_modified", "path"), default="last_modified"),
    ),
    FileInput,
)
