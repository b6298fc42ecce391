"""Errors that a user can correct.

The tree::

    MonitorError                 an error that a command reports in one line
    ├── SettingsError            a setting is unknown, malformed or contradictory
    ├── MissingPackageError      a package of an extra is not installed, or cannot be loaded
    ├── StackError               a service of the stack cannot be started, reached or stopped
    │   ├── JavaNotFoundError    no Java runtime that fits
    │   └── PortInUseError       another process listens on the port
    ├── PipelineError            the pipeline configuration is refused, or the pipeline cannot go on
    │   └── ConfigurationError   with file and line of the refused configuration
    ├── ElasticsearchError       Elasticsearch cannot be reached or refuses a request
    │   ├── PartialResultsError  not all shards have answered a search
    │   ├── BusyError            too many requests wait for Elasticsearch already
    │   ├── RefusedDocumentError one document or one search is refused, and others are not
    │   ├── UnsupportedServerError  another product than Elasticsearch answers, or an old version
    │   ├── MissingPrivilegeError   the user lacks a privilege that the command needs
    │   ├── NotSetUpError        `monitor-agent setup` has not run on the cluster
    │   └── ConflictError        somebody else has changed a document that a command changes
    ├── PredictionLogError       predictions or feedback cannot be logged; nothing of the call is written
    │   ├── RecordError          a field of a record is malformed
    │   ├── LineTooLongError     an event has more bytes than a line may have
    │   └── LogWriteError        the events cannot be written: disk full, permission, file size limit
    ├── StoppedError             the process was asked to stop while it worked
    ├── KibanaError              Kibana cannot be reached or refuses a request
    ├── UnsupportedPanelError    a saved object uses an operation that is not translated to a search
    ├── ModelError               the model cannot be loaded or trained
    └── DataError                an input file or an argument is missing or malformed
        └── DamagedDocumentError a stored document cannot be read
"""

from __future__ import annotations

from collections.abc import Iterable

LONGEST_LINE = 300
"""The most characters of an error in one line."""
LONG_NAME, SHORT_NAME = 12, 4
"""Numbers of characters: in a longer name three letters may be wrong, in one that is not even short only one."""


class MonitorError(Exception):
    """Raised for an error that the user can correct; `hint` says how."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}: {self.hint}" if self.hint else self.message


class SettingsError(MonitorError):
    """Raised when a setting is unknown, malformed or contradicts another setting."""


class MissingPackageError(MonitorError):
    """Raised when a package of an extra is not installed, or is installed and cannot be loaded."""


class StackError(MonitorError):
    """Raised when a service of the stack cannot be started, reached or stopped."""


class JavaNotFoundError(StackError):
    """Raised when no Java runtime fits the requested version of Elasticsearch."""


class PortInUseError(StackError):
    """Raised when another process listens on the port of a service."""


class PipelineError(MonitorError):
    """Raised when the pipeline cannot go on."""


class ConfigurationError(PipelineError):
    """Raised when a pipeline configuration is refused.

    Attributes
    ----------
    path, line, column : place of the refused text; line and column count from 1 (0 = unknown).
    """

    def __init__(self, message: str, *, path: str = "", line: int = 0, column: int = 0, hint: str = "") -> None:
        place = f"{path}:{line}:{column}: " if line else (f"{path}: " if path else "")
        super().__init__(place + message, hint)
        self.path = path
        self.line = line
        self.column = column


class ElasticsearchError(MonitorError):
    """Raised when Elasticsearch cannot be reached or refuses a request."""


class PartialResultsError(ElasticsearchError):
    """Raised when not all shards have answered a search, so that its numbers would be wrong."""


class BusyError(ElasticsearchError):
    """Raised when so many requests wait for Elasticsearch that a further one is not sent."""


class RefusedDocumentError(ElasticsearchError):
    """Raised when Elasticsearch refuses one document, or one search, that does not suit it; it takes others."""


class UnsupportedServerError(ElasticsearchError):
    """Raised when another product than Elasticsearch answers, or a version that is too old."""


class MissingPrivilegeError(ElasticsearchError):
    """Raised when the user lacks a privilege that a command, or a search, needs."""


class NotSetUpError(ElasticsearchError):
    """Raised when a cluster lacks index templates or settings of the product."""


class ConflictError(ElasticsearchError):
    """Raised when a document that a command changes has been changed by somebody else since it was read."""


class KibanaError(MonitorError):
    """Raised when Kibana cannot be reached or refuses a request."""


class UnsupportedPanelError(MonitorError):
    """Raised when a saved object uses an operation that is not translated to a search.

    Attributes
    ----------
    panel : the object, such as `lens:accuracy`.
    operation : the unsupported operation.
    """

    def __init__(self, panel: str, operation: str) -> None:
        super().__init__(
            f"{panel} uses {operation}, which is not supported here", "docs/kibana.md lists the supported operations"
        )
        self.panel = panel
        self.operation = operation


class PredictionLogError(MonitorError):
    """Raised when predictions or feedback cannot be logged; then nothing of the call is written."""


class RecordError(PredictionLogError):
    """Raised when a record, or a field of it, is malformed.

    Attributes
    ----------
    field : path of the field, such as `predictions[3].score`.
    reason : what is expected there; it holds no text of the record, which may be personal.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class LineTooLongError(PredictionLogError):
    """Raised when an event has more bytes than a line may have.

    Attributes
    ----------
    index : place of the event in its call, from 0.
    """

    def __init__(self, index: int, size: int, most: int) -> None:
        super().__init__(f"its event has {size} bytes; at most {most} are allowed")
        self.index = index


class LogWriteError(PredictionLogError):
    """Raised when events cannot be written; a later call may succeed."""


class StoppedError(MonitorError):
    """Raised between two requests when the process was asked to stop; the next run does the rest of the work."""


class ModelError(MonitorError):
    """Raised when the model cannot be loaded or trained."""


class DataError(MonitorError):
    """Raised when an input file or an argument is missing or malformed."""


class DamagedDocumentError(DataError):
    """Raised when a stored document cannot be read."""


def in_one_line(error: Exception) -> str:
    """Return what an error says in one line; an error that is none of the product's own with its type.

    >>> in_one_line(KeyError("state")), in_one_line(ValueError("line one\\nline two"))
    ("KeyError: 'state'", 'ValueError: line one line two')
    """
    text = str(error) if isinstance(error, MonitorError) else f"{type(error).__name__}: {error}".removesuffix(": ")
    words = " ".join(text.split())
    return words if len(words) <= LONGEST_LINE else words[: LONGEST_LINE - 3] + "..."


def defect(subject: str, package: str, error: Exception) -> str:
    """Return the line that reports an error that no user can correct.

    Parameters
    ----------
    subject : what failed.
    package : the package that `python -m` runs.
    """
    hint = f"this is a defect; `python -X dev -m {package} ...` shows where it is"
    return f"error: {subject} failed ({in_one_line(error)}): {hint}"


def reason_of_file(error: OSError | ValueError | RecursionError) -> str:
    """Return why a file cannot be read, without its path.

    >>> reason_of_file(FileNotFoundError(2, "No such file or directory", "a.json"))
    'No such file or directory'
    """
    return (error.strerror if isinstance(error, OSError) else "") or str(error)


def name_meant(name: str, names: Iterable[str]) -> str:
    """Return the known name that a misspelt name means; empty if none is near, or several are equally near.

    Upper and lower case, hyphens and underscores make no difference. A letter that is missing, wrong, too many, or
    swapped with its neighbour counts as one mistake.

    >>> name_meant("peroid", ["period", "lease"]), name_meant("colour", ["period", "lease"])
    ('period', '')
    >>> name_meant("tags_a", ["tags_b", "tags_c"])
    ''
    """
    plain = _plain(name)
    allowed = 1 if len(plain) <= SHORT_NAME else 2 if len(plain) <= LONG_NAME else 3
    distances: dict[str, int] = {}
    for candidate in names:
        other = _plain(candidate)
        if abs(len(plain) - len(other)) <= allowed and min(len(plain), len(other)) > allowed:
            distances[candidate] = _mistakes(plain, other, allowed)
    nearest = min(distances.values(), default=allowed + 1)
    near = [candidate for candidate, distance in distances.items() if distance == nearest <= allowed]
    return near[0] if len(near) == 1 else ""


def suggestion(name: str, names: Iterable[str]) -> str:
    """Return a hint with the name that is meant, or with all known names.

    >>> suggestion("peroid", ["period", "lease"]), suggestion("colour", ["period", "lease"])
    ('did you mean period?', 'known are lease, period')
    """
    choices = sorted(names)
    meant = name_meant(name, choices)
    return f"did you mean {meant}?" if meant else f"known are {', '.join(choices)}"


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


def _mistakes(name: str, other: str, most: int) -> int:
    """Return the number of letters to insert, delete, replace or swap (optimal string alignment distance).

    It stops as soon as there are more than `most`: each start compares all variables with all settings.
    """
    before_last: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(name, 1):
        current = [row]
        for column, match in enumerate(other, 1):
            cost = min(last[column] + 1, current[-1] + 1, last[column - 1] + (letter != match))
            if row > 1 and column > 1 and letter == other[column - 2] and match == name[row - 2]:
                cost = min(cost, before_last[column - 2] + 1)
            current.append(cost)
        if min(current) > most and min(last) > most:
            return most + 1
        before_last, last = last, current
    return last[-1]
