"""One place that keeps the failure of one model from the work on the other models (pure).

A stored document may be damaged, and the product may have a defect. An error that concerns one model must not end the
cycle of all models. The work on one model is done in its scope: the scope records the failure, and the cycle goes on.
Errors that concern the whole, such as a lost connection, leave the scope.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType

from monitor_agent.errors import ElasticsearchError, RefusedDocumentError, StoppedError, in_one_line
from monitor_agent.pipeline.stale_windows import ModelWindow
from monitor_agent.pipeline.windows import Window

MOST_FAILURES_IN_A_ROW = 32
"""After this many failed windows in a row, the other windows of the model fail without being tried."""


@dataclass(frozen=True)
class Failure:
    """The first failure of a model, or of a step of the cycle.

    Attributes
    ----------
    model : the model; empty if the failure concerns a step of the cycle.
    subject : the model or the step in words, such as `model click`.
    reason : one line that says what went wrong.
    stack_trace : where it went wrong, for the log.
    """

    model: str
    subject: str
    reason: str
    stack_trace: str = ""

    @property
    def message(self) -> str:
        """Return subject and reason in one line."""
        return f"{self.subject} failed: {self.reason}"


class FailureScopes:
    """The failures of one cycle.

    Attributes
    ----------
    failures : by the subject; the first failure of each.
    windows : the windows that could not be computed.
    """

    def __init__(self) -> None:
        self.failures: dict[str, Failure] = {}
        self.windows: set[ModelWindow] = set()

    @property
    def models(self) -> set[str]:
        """The models that have failed."""
        return {failure.model for failure in self.failures.values() if failure.model}

    def clear(self) -> None:
        """Forget everything: a new cycle begins."""
        self.failures.clear()
        self.windows.clear()

    def model(self, name: str, windows: Iterable[Window] = ()) -> _Scope:
        """Record an error of the block, which works on one model, and go on after it.

        Parameters
        ----------
        windows : the windows that are not computed if the block fails.
        """
        return _Scope(self, name, f"model {name}" if name else "events without a model", windows)

    def step(self, name: str) -> _Scope:
        """Record an error of the block, which is a step of the cycle such as `the alerts`, and go on after it."""
        return _Scope(self, "", name, ())

    def compute(self, model: str, windows: Sequence[Window], step: Callable[[Sequence[Window]], None]) -> None:
        """Do a step with windows of a model.

        If it fails, it is done with one window after the other, so that only the windows that fail are missing.
        """
        if len(windows) > 1:
            try:
                step(windows)
            except Exception as error:
                if concerns_all(error):
                    raise
            else:
                return
        failed_in_a_row = 0
        for number, window in enumerate(windows):
            with self.model(model, [window]):
                failed_in_a_row += 1
                step([window])
                failed_in_a_row = 0
            if failed_in_a_row == MOST_FAILURES_IN_A_ROW:
                self.windows |= {ModelWindow(model, other) for other in windows[number + 1 :]}
                return

    def fail(self, model: str, windows: Iterable[Window]) -> None:
        """Record windows that could not be computed."""
        self.windows |= {ModelWindow(model, window) for window in windows}


class _Scope:
    """A block whose error is recorded, unless it concerns all models."""

    def __init__(self, scopes: FailureScopes, model: str, subject: str, windows: Iterable[Window]) -> None:
        self._scopes = scopes
        self._model = model
        self._subject = subject
        self._windows = windows

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception) or concerns_all(error):
            return False
        # Of an error about a damaged document, the error below it says more.
        stack_trace = "".join(traceback.format_exception(error.__cause__ or error, chain=False))
        failure = Failure(self._model, self._subject, in_one_line(error), stack_trace)
        self._scopes.failures.setdefault(self._subject, failure)
        self._scopes.fail(self._model, self._windows)
        return True


def concerns_all(error: Exception) -> bool:
    """Return whether an error concerns all models: Elasticsearch is in trouble, or the process stops."""
    if isinstance(error, RefusedDocumentError):
        return False
    return isinstance(error, (ElasticsearchError, StoppedError, MemoryError))
