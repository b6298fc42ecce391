"""The ways to get a stack, by the name that a setting gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from monitor_agent.errors import StackError
from monitor_agent.settings import Settings
from monitor_agent.stack.provider import StackProvider

Report = Callable[[str], None]
"""Prints one line about the progress."""


def _embedded(settings: Settings, report: Report) -> StackProvider:
    from monitor_agent.stack.embedded.provider import EmbeddedProvider

    return EmbeddedProvider(settings.stack, report)


def _compose(settings: Settings, report: Report) -> StackProvider:
    from monitor_agent.stack.compose import ComposeProvider

    return ComposeProvider(settings.stack, report)


def _external(settings: Settings, report: Report) -> StackProvider:
    from monitor_agent.stack.external import ExternalProvider

    return ExternalProvider(settings.elasticsearch, report)


PROVIDERS: Mapping[str, Callable[[Settings, Report], StackProvider]] = {
    "embedded": _embedded,
    "compose": _compose,
    "external": _external,
}
"""Each function imports only the module of its provider, so that no way to get a stack needs what another one needs."""


def make_provider(settings: Settings, report: Report) -> StackProvider:
    """Return the provider that `settings.stack.provider` names.

    Raises
    ------
    StackError
        If there is no provider of that name.
    """
    name = settings.stack.provider
    if name not in PROVIDERS:
        raise StackError(f"there is no stack called {name}", f"use one of {', '.join(PROVIDERS)}")
    return PROVIDERS[name](settings, report)
