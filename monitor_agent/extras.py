"""The extras of the installation: which component needs which packages, and the command that installs them.

Nothing here imports a package of an extra, so every command can look before it starts anything.
"""

from __future__ import annotations

import importlib.util
import json
import shlex
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from urllib.parse import unquote, urlsplit

from monitor_agent.errors import MissingPackageError, in_one_line

DISTRIBUTION = "model-monitor"
_NAMES = {"pkg_resources": "setuptools", "vl_convert": "vl-convert-python"}
"""Modules whose package has another name, apart from hyphens."""


@dataclass(frozen=True)
class OptionalComponent:
    """What of the product needs packages that the base installation lacks.

    Attributes
    ----------
    name : for messages.
    extra : the extra that installs the packages.
    modules : what is imported of them.
    """

    name: str
    extra: str
    modules: tuple[str, ...]


EMBEDDED_ELASTICSEARCH = OptionalComponent("the embedded Elasticsearch", "embedded", ("jgo",))
PIPELINE = OptionalComponent("the pipeline", "embedded", ("lark",))
VIEWER = OptionalComponent("the viewer", "embedded", ("flask", "vl_convert"))
REPORTS = OptionalComponent("reports", "embedded", ("vl_convert",))
MODEL_SERVER = OptionalComponent("the model server", "server", ("flask", "tensorflow", "tensorflow_text"))
LITERT_ENGINE = OptionalComponent("the engine litert", "litert", ("ai_edge_litert",))
TRAINING = OptionalComponent(
    "training", "train", ("tensorflow", "tensorflow_text", "tensorflow_hub", "tf_keras", "pkg_resources")
)
KERAS_2_FILES = OptionalComponent("a file of Keras 2", "keras", ("tf_keras", "tensorflow_hub", "pkg_resources"))
IMPORT = OptionalComponent("the import of tables", "import", ("lark", "pyarrow"))
PARQUET_FILES = OptionalComponent("a Parquet file", "parquet", ("pyarrow",))
ANALYSIS = OptionalComponent("tables for analysts", "analysis", ("pyarrow",))
NOTIFICATIONS = OptionalComponent("notifications", "notify", ("apprise", "jinja2"))
SCHEMAS = OptionalComponent("the check of saved objects", "embedded", ("jsonschema",))
COMPONENTS = (EMBEDDED_ELASTICSEARCH, PIPELINE, VIEWER, REPORTS, SCHEMAS, MODEL_SERVER, TRAINING, NOTIFICATIONS)
"""The components that users run. The check of a machine looks for them; nobody needs to miss a format of files."""


def require(subject: str, *components: OptionalComponent) -> None:
    """Return if the packages of some components are installed.

    Parameters
    ----------
    subject : what needs the components, such as a command.

    Raises
    ------
    MissingPackageError
        If a package is not installed; the error names all such packages, and the command that installs them.
    """
    lacking = [(component, missing_modules(component)) for component in components]
    names = dict.fromkeys(package_of(module) for _, modules in lacking for module in modules)
    extras = dict.fromkeys(component.extra for component, modules in lacking if modules)
    if names:
        raise MissingPackageError(
            f"{subject} needs {_listed(names)}, {_which(len(names))} not installed", f"run {install_command(extras)}"
        )


def missing_modules(component: OptionalComponent) -> tuple[str, ...]:
    """Return the modules of a component that are not installed."""
    return tuple(module for module in component.modules if not _is_installed(module))


@contextmanager
def loading(component: OptionalComponent) -> Iterator[None]:
    """Import packages of a component in the block.

    Raises
    ------
    MissingPackageError
        If one is not installed, or is installed and cannot be loaded, such as for lack of a library of the system.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise missing_package(component.name, error.name or component.modules[0], component.extra) from error
    except Exception as error:
        names = _listed(package_of(module) for module in component.modules)
        raise MissingPackageError(
            f"{component.name} needs {names}; installed, but cannot be loaded: {in_one_line(error)}",
            f"install the packages again: {install_command([component.extra], again=True)}",
        ) from error


def missing_package(subject: str, module: str, extra: str = "") -> MissingPackageError:
    """Return the error that a package is not installed.

    Parameters
    ----------
    subject : what needs the package.
    module : the module that could not be imported.
    extra : the extra that installs it; empty = that of the component that has the module, or the base installation.
    """
    top = module.partition(".")[0]
    extras = [extra] if extra else [component.extra for component in COMPONENTS if top in component.modules][:1]
    return MissingPackageError(
        f"{subject} needs {package_of(top)}, which is not installed", f"run {install_command(extras)}"
    )


def package_of(module: str) -> str:
    """Return the name of the package that has a module.

    >>> package_of("tensorflow_text"), package_of("vl_convert")
    ('tensorflow-text', 'vl-convert-python')
    """
    return _NAMES.get(module, module.replace("_", "-"))


def version_of(package: str) -> str:
    """Return the version of a package; `not installed` if it is missing.

    >>> version_of("no-package-has-this-name")
    'not installed'
    """
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def install_command(extras: Iterable[str], *, again: bool = False) -> str:
    """Return the command that adds extras to this installation, for the interpreter that runs now.

    Parameters
    ----------
    again : whether packages that are installed already are replaced.
    """
    options = ["--force-reinstall"] if again else []
    names = ",".join(extras)
    installer, origin = _installation()
    pip = [sys.executable, "-m", "pip", "install"]
    if installer == "uv" and not _is_installed("pip"):
        pip = ["uv", "pip", "install", "--python", sys.executable]
    return shlex.join([*pip, *options, *_requirement(origin, f"[{names}]" if names else "")])


def _installation() -> tuple[str, dict[str, object]]:
    """Return what has installed the product, and from where (PEP 610); empty if nobody knows."""
    try:
        distribution = metadata.distribution(DISTRIBUTION)
        installer = (distribution.read_text("INSTALLER") or "").strip()
        origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    except (metadata.PackageNotFoundError, ValueError, OSError):
        return "", {}
    return installer, origin if isinstance(origin, dict) else {}


def _requirement(origin: dict[str, object], extras: str) -> list[str]:
    """Return the arguments that name the product with extras.

    >>> _requirement({}, "[embedded]")
    ['model-monitor[embedded]']
    >>> _requirement({"url": "file:///src/monitor", "dir_info": {"editable": True}}, "[server]")
    ['-e', '/src/monitor[server]']
    >>> _requirement({"url": "file:///wheels/model_monitor-1.whl", "archive_info": {}}, "[server]")
    ['model-monitor[server] @ file:///wheels/model_monitor-1.whl']
    """
    url, folder = str(origin.get("url", "")), origin.get("dir_info")
    if isinstance(folder, dict) and folder.get("editable"):
        return ["-e", f"{unquote(urlsplit(url).path)}{extras}"]
    return [f"{DISTRIBUTION}{extras}" + (f" @ {url}" if url.startswith("file:") else "")]


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _listed(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _which(count: int) -> str:
    return "which is" if count == 1 else "which are"
