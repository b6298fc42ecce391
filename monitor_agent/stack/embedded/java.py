"""The Java runtime that Elasticsearch runs on: the best one that is installed, else one fetched by cjdk."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from monitor_agent.errors import JavaNotFoundError, StackError
from monitor_agent.http_client.trust import system_certificates
from monitor_agent.stack.embedded.downloads import download_failure

# The oldest Java that each supported Elasticsearch runs on, newest Elasticsearch first.
OLDEST_JAVA = {"9.5.0": 21, "8.19.21": 17}
# Elasticsearch puts this module on the JVM's command line; a runtime made by jlink may lack it and then does not start.
NEEDED_MODULE = "jdk.incubator.vector"
USUAL_FOLDERS = (
    "/usr/lib/jvm/*",
    "/usr/java/*",
    "/opt/java/*",
    "/opt/jdk*",
    "/opt/*jdk*",
    "/Library/Java/JavaVirtualMachines/*/Contents/Home",
    "/opt/homebrew/opt/openjdk*",
    "~/.sdkman/candidates/java/*",
    "~/.jdks/*",
)
FETCHED_VERSION = "21"
PROBE_SECONDS = 20


@dataclass(frozen=True)
class Java:
    """A Java runtime that can run Elasticsearch.

    Attributes
    ----------
    home : the folder with `bin/java`.
    feature : the feature version, such as 17 or 25.
    """

    home: Path
    feature: int

    @property
    def binary(self) -> Path:
        """Return the path of the `java` program."""
        return self.home / "bin" / "java"


def oldest_java_of(version: str) -> int:
    """Return the oldest Java feature version that Elasticsearch `version` runs on."""
    return 21 if int(version.split(".")[0]) >= 9 else 17


def newest_version_for(java: Java) -> str:
    """Return the newest supported Elasticsearch that `java` runs.

    >>> newest_version_for(Java(Path("/jdk"), 17)), newest_version_for(Java(Path("/jdk"), 25))
    ('8.19.21', '9.5.0')
    """
    return next(version for version, oldest in OLDEST_JAVA.items() if java.feature >= oldest)


def find_java(
    version: str,
    environ: Mapping[str, str],
    *,
    usable: Callable[[Path], bool] = lambda _home: True,
    usual_folders: Iterable[str] = USUAL_FOLDERS,
) -> Java | None:
    """Return the best installed runtime, or None if none fits.

    ES_JAVA_HOME is a user's explicit choice and wins if it fits; otherwise the newest of JAVA_HOME, PATH and the
    usual folders wins.

    Parameters
    ----------
    version : the Elasticsearch to run; empty = any supported one.
    environ : the environment.
    usable : whether the account that runs Elasticsearch can reach a runtime's folder.
    usual_folders : glob patterns of folders that hold a runtime.
    """
    oldest = oldest_java_of(version) if version else min(OLDEST_JAVA.values())
    chosen = environ.get("ES_JAVA_HOME")
    if chosen:
        java = inspect(Path(chosen))
        if java and java.feature >= oldest and usable(java.home):
            return java
    installed = (inspect(home) for home in _homes(environ, usual_folders))
    fitting = [java for java in installed if java and java.feature >= oldest and usable(java.home)]
    return max(fitting, key=lambda java: java.feature, default=None)


def fetch_java(cache_dir: Path, report: Callable[[str], None]) -> Java:
    """Return a runtime fetched by cjdk into `cache_dir`.

    Raises
    ------
    JavaNotFoundError
        If it cannot be fetched, or does not run; the hint names the package to install instead.
    """
    report(f"no Java is installed: fetching Java {FETCHED_VERSION}")
    hint = f"install Java {FETCHED_VERSION} ({_package()}), or set ES_JAVA_HOME"
    try:
        import cjdk
    except ImportError as error:
        raise JavaNotFoundError("no Java >= 17 was found", hint) from error
    try:
        with system_certificates():
            home = cjdk.java_home(
                vendor="temurin", version=FETCHED_VERSION, cache_dir=cache_dir / "jdk", progress=False
            )
    except (cjdk.CjdkError, OSError) as error:
        failure = download_failure(error)
        raise JavaNotFoundError(
            f"no Java >= 17 was found, and none could be fetched: {failure.reason}",
            f"{failure.hint}; or {hint}".removeprefix("; or "),
        ) from error
    java = inspect(home)
    if java is None:
        raise JavaNotFoundError(f"the Java that was fetched into {home} does not run", hint)
    return java


def require_java(
    version: str,
    environ: Mapping[str, str],
    cache_dir: Path,
    report: Callable[[str], None],
    usable: Callable[[Path], bool] = lambda _home: True,
) -> Java:
    """Return a runtime for Elasticsearch `version` (empty = any), installed or fetched.

    Raises
    ------
    JavaNotFoundError
        If there is none.
    """
    return find_java(version, environ, usable=usable) or fetch_java(cache_dir, report)


def inspect(home: Path) -> Java | None:
    """Return the runtime in the folder `home`; None if it has none, or one that Elasticsearch cannot use."""
    binary = home / "bin" / "java"
    if not os.access(binary, os.X_OK):
        return None
    try:
        release = (home / "release").read_text(encoding="utf-8", errors="replace")
    except OSError:
        release = ""
    stated = re.search(r'^JAVA_VERSION="(?:1\.)?(\d+)', release, re.MULTILINE)
    modules = re.search(r'^MODULES="([^"]*)"', release, re.MULTILINE)
    if stated and modules:
        feature, has_module = int(stated[1]), NEEDED_MODULE in modules[1].split()
    else:
        feature, has_module = _probe(binary)
    return Java(home, feature) if has_module else None


def _probe(binary: Path) -> tuple[int, bool]:
    """Return feature version and whether the runtime has the module, as the program itself prints them."""
    try:
        answer = subprocess.run(
            [str(binary), "--list-modules"], capture_output=True, text=True, timeout=PROBE_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return 0, False
    base = re.search(r"^java\.base@(\d+)", answer.stdout, re.MULTILINE)
    return (int(base[1]) if base else 0), f"{NEEDED_MODULE}@" in answer.stdout


def _homes(environ: Mapping[str, str], usual_folders: Iterable[str]) -> Iterator[Path]:
    yielded: set[Path] = set()
    for home in _candidates(environ, usual_folders):
        try:
            real = home.resolve(strict=True)
        except OSError:
            continue
        if real not in yielded:
            yielded.add(real)
            yield real


def _candidates(environ: Mapping[str, str], usual_folders: Iterable[str]) -> Iterator[Path]:
    if environ.get("JAVA_HOME"):
        yield Path(environ["JAVA_HOME"])
    on_path = shutil.which("java", path=environ.get("PATH", ""))
    if on_path:
        yield Path(on_path).resolve().parent.parent
    for pattern in usual_folders:
        whole = Path(pattern.replace("~", environ.get("HOME", "~"), 1))
        if whole.is_absolute():
            yield from sorted(Path(whole.anchor).glob(str(whole.relative_to(whole.anchor))))


def _package() -> str:
    if sys.platform == "darwin":
        return "brew install openjdk@21"
    for program, command in (
        ("apt-get", "apt install openjdk-21-jdk-headless"),
        ("dnf", "dnf install java-21-openjdk-headless"),
        ("apk", "apk add openjdk21-jre-headless"),
    ):
        if shutil.which(program):
            return command
    return "a JDK package of your system"


def version_for(java: Java, configured: str) -> str:
    """Return the Elasticsearch version to run on `java`: `configured`, or if that is empty, the newest that fits.

    Raises
    ------
    StackError
        If there is no such version.
    """
    if configured and configured not in OLDEST_JAVA:
        raise StackError(
            f"Elasticsearch {configured} is not known to the embedded stack",
            f"ELASTIC_VERSION: {' or '.join(OLDEST_JAVA)}",
        )
    return configured or newest_version_for(java)
