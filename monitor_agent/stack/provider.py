"""The interface of a way to get a stack; `providers` makes the one that the settings name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class ComponentStatus:
    """The state of one component of the stack.

    Attributes
    ----------
    name : such as `elasticsearch`.
    running : whether it runs.
    detail : address, version, health or the problem, for people.
    """

    name: str
    running: bool
    detail: str


class StackProvider(Protocol):
    """A way to get a stack."""

    def up(self, *, detach: bool, show_passwords: bool = False) -> None:
        """Start the stack; with `detach`, return when it is ready, else when it has stopped.

        Parameters
        ----------
        show_passwords : whether generated passwords are printed, and not only the file that holds them.
        """

    def down(self) -> bool:
        """Stop the stack; return whether there was one to stop."""

    def status(self) -> list[ComponentStatus]:
        """Return the state of each component."""

    def logs(self, component: str, *, follow: bool) -> None:
        """Print the log of a component (empty = all); with `follow`, until interrupted."""
