"""The ways to get a stack: each is a provider, and nothing outside this package knows which one it talks to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from monitor_agent.errors import StackError
from monitor_agent.settings import Settings

PROVIDERS = ("embedded", "compose", "external")


@dataclass(frozen=True)
class PartStatus:
    """How one part of the stack is.

    Attributes
    ----------
    name : such as `elasticsearch`.
    running : whether it runs.
    detail : address, version, health or what is wrong, for people.
    """

    name: str
    running: bool
    detail: str


class StackProvider(Protocol):
    """A way to get a stack."""

    def up(self, *, detach: bool) -> None:
        """Start the stack; return when it is ready (`detach`), or else when it was stopped again."""

    def down(self) -> bool:
        """Stop the stack; return whether there was one to stop."""

    def status(self) -> list[PartStatus]:
        """Return how each part is."""

    def logs(self, component: str, *, follow: bool) -> None:
        """Print the log of a component (empty = all); with `follow`, until interrupted."""

    def urls(self) -> dict[str, str]:
        """Return the address of each part that runs and has one."""


def make_provider(settings: Settings, report: Callable[[str], None]) -> StackProvider:
    """Return the provider that `settings.stack.provider` names.

    Only its module is imported, so that one way to get a stack does not need what another one needs.
    """
    name = settings.stack.provider
    if name == "embedded":
        from monitor_agent.stack.embedded.provider import EmbeddedProvider

        return EmbeddedProvider(settings.stack, report)
    if name == "compose":
        from monitor_agent.stack.compose import ComposeProvider

        return ComposeProvider(settings.stack, report)
    if name == "external":
        from monitor_agent.stack.external import ExternalProvider

        return ExternalProvider(settings.elasticsearch, report)
    raise StackError(f"there is no stack called {name}", f"use one of {', '.join(PROVIDERS)}")
