"""The ways to get a stack, by the name that a setting gives them."""

from __future__ import annotations

from collections.abc import Callable

from monitor_agent.errors import StackError
from monitor_agent.settings import Settings
from monitor_agent.stack.provider import StackProvider

PROVIDERS = ("embedded", "compose", "external")


def make_provider(settings: Settings, report: Callable[[str], None]) -> StackProvider:
    """Return the provider that `settings.stack.provider` names.

    Only its module is imported, so that one way to get a stack does not need what another one needs.

    Raises
    ------
    StackError
        If there is no provider of that name.
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
