"""What this machine has: Python packages, Java, free ports, disk space, fonts."""

from __future__ import annotations

import errno
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path

from monitor_agent.diagnosis.check_result import FAILED, OK, SKIPPED, WARNING, CheckResult
from monitor_agent.diagnosis.listeners import Listener, listener_on
from monitor_agent.extras import COMPONENTS, install_command, missing_modules, package_of
from monitor_agent.settings import Settings
from monitor_agent.stack.embedded import java
from monitor_agent.stack.embedded.elasticsearch import is_free
from monitor_agent.stack.instance import running_instance
from monitor_agent.stack.local import LEAST_FREE_MIB

PACKAGE = "model-monitor"
MIB = 1024**2
LITTLE_FREE_MIB = 2048
"""Less is worth a warning: a day of events and an index of it need about this much."""
_REQUIREMENT = re.compile(r"^(?P<name>[\w.-]+)\s*(?P<range>[^;]*?)\s*(?P<marker>;.*)?$")
_PRODUCT = ("monitor_agent", "monitor-agent", "model_server", "model-server")
_CJK_FONT = re.compile(r"cjk|wqy|ipa(g|m|ex)|takao|droidsansfallback|unifont|hiragino|nanum|source-?han|vlgothic", re.I)
FONT_FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.fonts",
    "~/.local/share/fonts",
    "/System/Library/Fonts",
)
FONTS_SECONDS = 5


def check_packages(
    requirements: Iterable[str] | None, version_of: Callable[[str], str] = metadata.version
) -> CheckResult:
    """Return whether the packages of the base installation are there, in the right versions.

    Parameters
    ----------
    requirements : as the package states them; None = the package is not installed.
    """
    python = ".".join(str(number) for number in sys.version_info[:3])
    if requirements is None:
        return CheckResult("Python", SKIPPED, f"{python}; {PACKAGE} is not installed, so its packages are unknown")
    wrong = []
    for text in requirements:
        match = _REQUIREMENT.match(text)
        if match is None or match["marker"]:  # a package of an extra, or of some versions of Python
            continue
        try:
            version = version_of(match["name"])
        except metadata.PackageNotFoundError:
            wrong.append(f"{match['name']} is missing")
            continue
        if not _in_range(version, match["range"].strip("() ")):
            wrong.append(f"{match['name']} is {version}, not {match['range']}")
    if wrong:
        return CheckResult("Python", FAILED, f"{python}; {'; '.join(wrong)}", f"run {install_command(())}")
    return CheckResult("Python", OK, f"{python}, all packages are there")


def stated_requirements() -> list[str] | None:
    """Return what the installed package requires; None if it is not installed."""
    try:
        return metadata.requires(PACKAGE)
    except metadata.PackageNotFoundError:
        return None


def check_extras() -> list[CheckResult]:
    """Return for each extra whether its packages are there; a machine may need only some of them."""
    results = []
    for extra in dict.fromkeys(component.extra for component in COMPONENTS):
        lacking = {component.name: missing_modules(component) for component in COMPONENTS if component.extra == extra}
        packages = dict.fromkeys(package_of(module) for modules in lacking.values() for module in modules)
        if packages:
            users = ", ".join(name for name, modules in lacking.items() if modules)
            finding = f"not installed: {', '.join(packages)}; they are needed by {users}"
            results.append(CheckResult(f"extra {extra}", WARNING, finding, f"run {install_command([extra])}"))
        else:
            results.append(CheckResult(f"extra {extra}", OK, "all packages are there"))
    return results


def _in_range(version: str, text: str) -> bool:
    """Return whether a version is in a range such as `>=8.19,<9`.

    >>> _in_range("8.19.1", ">=8.19,<9"), _in_range("9.0.0", ">=8.19,<9"), _in_range("1", "")
    (True, False, True)
    """
    number = _numbers(version)
    for bound in filter(None, text.split(",")):
        sign, limit = re.sub(r"[\d.\s]", "", bound), _numbers(bound)
        width = len(limit)
        if (sign == ">=" and number < limit) or (sign == "<" and number[:width] >= limit):
            return False
    return True


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text)[:3])


def check_java(settings: Settings, environ: Mapping[str, str]) -> CheckResult:
    """Return whether there is a Java for the embedded Elasticsearch."""
    if settings.stack.provider != "embedded":
        return CheckResult("Java", SKIPPED, f"not needed: STACK_PROVIDER is {settings.stack.provider}")
    version = settings.stack.version
    if version and version not in java.OLDEST_JAVA:
        return CheckResult(
            "Java",
            FAILED,
            f"the embedded Elasticsearch has no version {version} (ELASTIC_VERSION)",
            f"set it to {' or '.join(java.OLDEST_JAVA)}, or leave it empty",
        )
    runtime = java.find_java(version, environ)
    if runtime is None:
        needed = java.oldest_java_of(version) if version else min(java.OLDEST_JAVA.values())
        return CheckResult(
            "Java",
            WARNING,
            f"no Java {needed} or newer is installed; the embedded Elasticsearch fetches one at its start",
            f"install Java {java.FETCHED_VERSION}, or set ES_JAVA_HOME",
        )
    chosen = environ.get("ES_JAVA_HOME")
    if chosen and Path(chosen).resolve() != runtime.home.resolve():
        return CheckResult(
            "Java",
            WARNING,
            f"ES_JAVA_HOME={chosen} does not fit; {runtime.home} is used",
            "correct or unset ES_JAVA_HOME",
        )
    runs = version or java.newest_version_for(runtime)
    return CheckResult("Java", OK, f"{runtime.feature} in {runtime.home}, for Elasticsearch {runs}")


def check_ports(settings: Settings) -> list[CheckResult]:
    """Return whether each port of the settings is free, or used by the product itself."""
    server, agent, dashboards, pipeline = settings.server, settings.agent, settings.dashboards, settings.pipeline
    results = [_check_port("port of the model server", server.host, server.port, "MODEL_SERVER_PORT")]
    results.append(_check_port("port of the agent", agent.health_host, agent.health_port or 0, "MONITOR_HEALTH_PORT"))
    results.append(_check_port("port of dashboards", dashboards.host, dashboards.port, "DASHBOARDS_PORT"))
    if settings.receive.port is not None:
        receive = settings.receive
        results.append(_check_port("port of the receiver", receive.host, receive.port or 0, "PIPELINE_RECEIVE_PORT"))
    if pipeline.http == "on":
        results.append(
            _check_port("port of the pipeline", pipeline.http_host, pipeline.http_port, "PIPELINE_HTTP_PORT")
        )
    else:
        results.append(CheckResult("port of the pipeline", SKIPPED, "PIPELINE_HTTP is off"))
    check, port = "port of Elasticsearch", settings.stack.http_port
    if settings.stack.provider != "embedded":
        results.append(CheckResult(check, SKIPPED, f"not needed: STACK_PROVIDER is {settings.stack.provider}"))
        return results
    instance = running_instance(Path(settings.stack.data_dir).absolute())
    if instance is not None and instance.url.endswith(f":{port}"):
        results.append(CheckResult(check, OK, f"{instance.url} is the embedded Elasticsearch (process {instance.pid})"))
    else:
        results.append(_check_port(check, "127.0.0.1", port, "STACK_HTTP_PORT"))
    return results


def _check_port(check: str, host: str, port: int, variable: str) -> CheckResult:
    if not port:
        return CheckResult(check, SKIPPED, f"any free port, or none ({variable})")
    if is_free(port, host):
        return CheckResult(check, OK, f"{host}:{port} is free")
    return port_in_use(check, f"{host}:{port}", variable, listener_on(port))


def port_in_use(check: str, address: str, variable: str, listener: Listener | None) -> CheckResult:
    """Return what it means that a process listens on a port.

    Parameters
    ----------
    listener : the process; None = this user cannot see it.
    """
    remedy = f"stop that process, or set {variable}"
    if listener is None:
        text = (
            f"{address} cannot be used: a process of another user listens there, or the address is not of this machine"
        )
        return CheckResult(check, WARNING, text, remedy)
    name = f"process {listener.pid} ({listener.command})"
    if any(word in listener.arguments for word in _PRODUCT):
        return CheckResult(check, OK, f"{address} is used by this product: {name}")
    return CheckResult(check, FAILED, f"{address} is taken by {name}", remedy)


def check_disks(settings: Settings) -> list[CheckResult]:
    """Return whether the disks of the data folders have space."""
    folders = {
        "MODEL_LOG_DIR": settings.server.log_dir,
        "PIPELINE_DATA_DIR": settings.pipeline.data_dir,
        **({"STACK_DATA_DIR": settings.stack.data_dir} if settings.stack.provider == "embedded" else {}),
    }
    by_disk: dict[int, tuple[Path, list[str]]] = {}
    results = []
    for variable, name in folders.items():
        folder = Path(name).absolute()
        try:
            existing = next(path for path in (folder, *folder.parents) if path.exists())
            by_disk.setdefault(existing.stat().st_dev, (existing, []))[1].append(variable)
        except OSError as error:
            problem = f"{name} cannot be read ({errno.errorcode.get(error.errno or 0, error)})"
            results.append(CheckResult("disk space", FAILED, problem, f"correct its permissions, or set {variable}"))
    for folder, variables in by_disk.values():
        results.append(disk_result(", ".join(variables), folder, shutil.disk_usage(folder).free // MIB))
    return results


def disk_result(variables: str, folder: Path, free: int) -> CheckResult:
    """Return whether the free space of a disk is enough.

    Parameters
    ----------
    variables : the settings whose folders are on this disk.
    free : free space, MiB.
    """
    finding = f"{free / 1024:,.1f} GiB free at {folder} ({variables})"
    if free < LEAST_FREE_MIB:
        return CheckResult("disk space", FAILED, f"only {finding}", "free disk space, or set other folders")
    if free < LITTLE_FREE_MIB:
        return CheckResult("disk space", WARNING, f"only {finding}", "free disk space")
    return CheckResult("disk space", OK, finding)


def check_fonts(families: Sequence[str]) -> CheckResult:
    """Return whether reports can draw Chinese, Japanese and Korean text.

    Parameters
    ----------
    families : the fonts of this machine that have Japanese characters.
    """
    if families:
        return CheckResult("fonts for CJK", OK, families[0])
    return CheckResult(
        "fonts for CJK",
        WARNING,
        "no font has Chinese, Japanese or Korean characters: reports show boxes in their place",
        "install one, such as Debian's fonts-noto-cjk",
    )


def japanese_fonts() -> list[str]:
    """Return the fonts of this machine that have Japanese characters, by fontconfig if it is installed."""
    program = shutil.which("fc-list")
    if program:
        try:
            done = subprocess.run(
                [program, ":lang=ja", "family"], capture_output=True, text=True, timeout=FONTS_SECONDS, check=True
            )
            return sorted({line.split(",")[0].strip() for line in done.stdout.splitlines() if line.strip()})
        except (OSError, subprocess.SubprocessError):
            pass  # the folders say enough
    paths = (path for name in FONT_FOLDERS for path in Path(name).expanduser().rglob("*.[to]t[fc]"))
    return sorted({path.stem for path in paths if _CJK_FONT.search(path.name)})
