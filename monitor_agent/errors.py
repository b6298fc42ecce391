"""Errors that a user can act on.

The tree::

    MonitorError                 anything the user is told in one line
    ├── SettingsError            a setting is unknown, malformed or contradictory
    ├── StackError               a part of the stack cannot be started, reached or stopped
    │   ├── JavaNotFoundError    no Java runtime that fits
    │   └── PortInUseError       another process listens on the port
    ├── PipelineError            the pipeline configuration is refused, or the pipeline cannot go on
    │   └── ConfigurationError   names file and line of what was refused
    ├── ElasticsearchError       Elasticsearch cannot be reached or refuses a request
    ├── StoppedError             the process was told to stop in the midst of something
    ├── KibanaError              Kibana cannot be reached or refuses a request
    ├── UnsupportedPanelError    a saved object uses an operation that is not translated to a search
    ├── ModelError               the model cannot be loaded or trained
    └── DataError                an input file is missing or not what it should be
"""

from __future__ import annotations


class MonitorError(Exception):
    """Raised for anything that the user can mend; ``hint`` says how."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}: {self.hint}" if self.hint else self.message


class SettingsError(MonitorError):
    """Raised when a setting is unknown, malformed or contradicts another one."""


class StackError(MonitorError):
    """Raised when a part of the stack cannot be started, reached or stopped."""


class JavaNotFoundError(StackError):
    """Raised when no Java runtime fits the Elasticsearch version that was asked for."""


class PortInUseError(StackError):
    """Raised when another process listens on a port that a part needs."""


class PipelineError(MonitorError):
    """Raised when the pipeline cannot go on."""


class ConfigurationError(PipelineError):
    """Raised when a pipeline configuration is refused.

    Attributes
    ----------
    path, line, column : where it was refused; line and column count from 1 (0 = unknown).
    """

    def __init__(self, message: str, *, path: str = "", line: int = 0, column: int = 0, hint: str = "") -> None:
        place = f"{path}:{line}:{column}: " if line else (f"{path}: " if path else "")
        super().__init__(place + message, hint)
        self.path = path
        self.line = line
        self.column = column


class ElasticsearchError(MonitorError):
    """Raised when Elasticsearch cannot be reached or refuses a request."""


class KibanaError(MonitorError):
    """Raised when Kibana cannot be reached or refuses a request."""


class UnsupportedPanelError(MonitorError):
    """Raised when a saved object uses an operation that is not translated to a search.

    Attributes
    ----------
    panel : the object, such as `lens:accuracy`.
    operation : what it uses.
    """

    def __init__(self, panel: str, operation: str) -> None:
        super().__init__(f"{panel} uses {operation}, which is not supported here", "docs/kibana.md lists what is")
        self.panel = panel
        self.operation = operation


class StoppedError(MonitorError):
    """Raised between two requests when the process was told to stop: what was not done is found again later."""


class ModelError(MonitorError):
    """Raised when the model cannot be loaded or trained."""


class DataError(MonitorError):
    """Raised when an input file is missing or is not what it should be."""
