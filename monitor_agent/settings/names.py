"""Names of environment variables: names that are probably misspelt, and names that Kubernetes sets (pure).

Other software also sets variables such as MODEL_NAME. So an unknown name is worth a warning, but is never refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

from monitor_agent.errors import name_meant
from monitor_agent.settings.sections import Settings
from monitor_agent.settings.setting_info import info_of

FAMILIES = ("MONITOR", "MODEL", "PIPELINE", "STACK")
"""The first words of names that only this product should set: each further name is worth a warning."""

FURTHER_NAMES = frozenset({"MONITOR_CONFIG"})
"""Variables that the programs read and that are no settings."""

_URL = r"(?:tcp|udp|sctp)://\S+"
_ADDRESS = r"[0-9a-fA-F.:]+"
_LINKS = (
    (r"_SERVICE_HOST", _ADDRESS),
    (r"_SERVICE_PORT(?:_[A-Z0-9_]+)?", r"\d+"),
    (r"_PORT", _URL),
    (r"_PORT_\d+_(?:TCP|UDP|SCTP)", _URL),
    (r"_PORT_\d+_(?:TCP|UDP|SCTP)_PROTO", r"tcp|udp|sctp"),
    (r"_PORT_\d+_(?:TCP|UDP|SCTP)_PORT", r"\d+"),
    (r"_PORT_\d+_(?:TCP|UDP|SCTP)_ADDR", _ADDRESS),
)
"""Name and value of each variable that Kubernetes sets for a service, in every pod of the service's namespace."""
_LINK = re.compile("|".join(rf"[A-Z0-9_]+?{name}=(?:{value})" for name, value in _LINKS))


@dataclass(frozen=True)
class NameWarning:
    """A name in the environment that is probably not what somebody meant.

    Attributes
    ----------
    variable : the name.
    finding : what is wrong.
    remedy : what to do.
    """

    variable: str
    finding: str
    remedy: str


def known_variables() -> frozenset[str]:
    """Return the environment variables of all settings."""
    sections = (section.default_factory for section in fields(Settings))
    return frozenset(info_of(entry).variable for kind in sections for entry in fields(kind))  # type: ignore[arg-type]


def name_warnings(environ: Mapping[str, str], more: Iterable[str] = ()) -> list[NameWarning]:
    """Return a warning for each name that is nearly a setting's, and for each setting whose value is Kubernetes'.

    Parameters
    ----------
    environ : the environment.
    more : further names that are read: those in a pipeline's configuration.

    >>> [warning.finding for warning in name_warnings({"MONITOR_PERIOT": "1m", "MODELS": "a", "KIBANA_HOME": "b"})]
    ['MONITOR_PERIOT is no setting; the nearest one is MONITOR_PERIOD']
    """
    settings = known_variables()
    readable = settings | FURTHER_NAMES | {*more}
    warnings = [
        NameWarning(
            name,
            f"the pipeline's configuration reads {name}, which is not set; the nearest setting is {meant}",
            "correct the configuration, or set the variable",
        )
        for name in sorted({*more} - settings - environ.keys())
        if (meant := name_meant(name, settings))
    ]
    for name, value in sorted(environ.items()):
        if is_of_kubernetes(name, value):
            if name in settings:
                warnings.append(_of_kubernetes(name, value))
        elif name not in readable:
            warnings += _of_unknown(name, settings)
    return warnings


def _of_unknown(name: str, settings: Iterable[str]) -> list[NameWarning]:
    """Return a warning if a name is nearly a setting's, or only this product should set it."""
    meant = name_meant(name, settings)
    if meant:
        finding = f"{name} is no setting; the nearest one is {meant}"
        return [NameWarning(name, finding, "correct the name, or ignore this if other software sets it")]
    family, _, rest = name.partition("_")
    if family in FAMILIES and rest:
        hint = "see docs/settings.md for all settings, or ignore this if other software sets it"
        return [NameWarning(name, f"{name} is no setting", hint)]
    return []


def is_of_kubernetes(name: str, value: str) -> bool:
    """Return whether Kubernetes has set a variable for a service.

    Source: Kubernetes, "Discovering services", environment variables.

    >>> is_of_kubernetes("MODEL_SERVER_PORT", "tcp://10.0.0.1:8500"), is_of_kubernetes("MODEL_SERVER_PORT", "8500")
    (True, False)
    """
    return _LINK.fullmatch(f"{name}={value}") is not None


def without_kubernetes(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without what Kubernetes has set in the place of a setting: nobody means it as a value."""
    settings = known_variables()
    return {name: value for name, value in environ.items() if name not in settings or not is_of_kubernetes(name, value)}


def _of_kubernetes(name: str, value: str) -> NameWarning:
    service = name.removesuffix("_PORT").lower().replace("_", "-")
    return NameWarning(
        name,
        f"{name}={value} comes from Kubernetes, for a service called {service}; it is not used as a setting",
        f"set enableServiceLinks: false in the pod, give the service another name, or set {name} yourself",
    )
