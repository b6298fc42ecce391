"""Names of environment variables: names that are probably misspelt, and names that Kubernetes sets (pure).

Other software also sets variables such as MODEL_NAME. So an unknown name is worth a warning, but is never refused.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

from monitor_agent.settings.sections import Settings
from monitor_agent.settings.setting_info import info_of

FAMILIES = ("MONITOR", "MODEL", "PIPELINE", "STACK")
"""The first words of names that only this product should set: each further name is worth a warning."""

SHARED_FAMILIES = ("ELASTICSEARCH", "KIBANA", "DASHBOARDS")
"""The first words of names that other software sets as well: a name is worth a warning if it is nearly a setting's."""

FURTHER_NAMES = frozenset({"MONITOR_CONFIG"})
"""Variables that the programs read and that are no settings."""

LIKENESS_OF_NAMES, LIKENESS_OF_FAMILIES = 0.9, 0.8
"""If the first word is none of `FAMILIES`: how like a setting's name a name must be, and how like its first word."""

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
            f"the pipeline's configuration reads {name}, which is not set; the nearest setting is {near[0]}",
            "correct the configuration, or set the variable",
        )
        for name in sorted({*more} - settings - environ.keys())
        if (near := difflib.get_close_matches(name, settings, n=1, cutoff=LIKENESS_OF_NAMES))
    ]
    for name, value in sorted(environ.items()):
        if is_of_kubernetes(name, value):
            if name in settings:
                warnings.append(_of_kubernetes(name, value))
        elif name not in readable and (meant := probably_meant(name, settings)):
            warnings.append(
                NameWarning(
                    name,
                    f"{name} is no setting; the nearest one is {meant}",
                    "correct the name, or ignore this if other software sets it",
                )
            )
    return warnings


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


def nearest(name: str, names: Iterable[str]) -> str:
    """Return the name that is most like a name.

    >>> nearest("peroid", ["period", "lease"])
    'period'
    """
    return difflib.get_close_matches(name, list(names), n=1, cutoff=0.0)[0]


def _of_kubernetes(name: str, value: str) -> NameWarning:
    service = name.removesuffix("_PORT").lower().replace("_", "-")
    return NameWarning(
        name,
        f"{name}={value} comes from Kubernetes, for a service called {service}; it is not used as a setting",
        f"set enableServiceLinks: false in the pod, give the service another name, or set {name} yourself",
    )


def probably_meant(name: str, settings: Iterable[str]) -> str:
    """Return the setting that was probably meant by an unknown name; empty if the name is none of this product's.

    >>> probably_meant("MONITR_PERIOD", ["MONITOR_PERIOD"]), probably_meant("HOME", ["MONITOR_PERIOD"])
    ('MONITOR_PERIOD', '')
    """
    family, _, rest = name.partition("_")
    if family in FAMILIES and rest:
        return nearest(name, [setting for setting in settings if setting.startswith(f"{family}_")])
    if not difflib.get_close_matches(family, (*FAMILIES, *SHARED_FAMILIES), n=1, cutoff=LIKENESS_OF_FAMILIES):
        return ""
    near = difflib.get_close_matches(name, list(settings), n=1, cutoff=LIKENESS_OF_NAMES)
    return near[0] if near else ""
