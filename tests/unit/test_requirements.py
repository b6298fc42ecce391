"""The locks in `requirements/` hold every package in one version with its hashes, and fit the ranges of `setup.cfg`."""

from __future__ import annotations

import configparser
import importlib.metadata
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "lock.py"))
EXTRAS_OF_LOCK: dict[str, tuple[str, ...]] = SCRIPT["LOCKS"]
LOCKS = sorted(EXTRAS_OF_LOCK)
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
MACHINES = ("x86_64", "aarch64")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


class Pin(NamedTuple):
    """One entry of a lock."""

    requirement: Requirement  # with its exact version and its marker
    hashes: list[str]

    @property
    def version(self) -> str:
        """The exact version."""
        (specifier,) = self.requirement.specifier
        return specifier.version


def lock_text(lock: str) -> str:
    """Return the text of a lock."""
    return (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")


def pins_of(lock: str) -> list[Pin]:
    """Return the entries of a lock."""
    lines = [line for line in lock_text(lock).splitlines() if not line.lstrip().startswith("#")]
    entries = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [Pin(Requirement(entry.split("--hash")[0]), HASH.findall(entry)) for entry in entries]


PINS = {lock: pins_of(lock) for lock in LOCKS}


def environments() -> Iterator[dict[str, str]]:
    """Yield the marker variables of each Linux machine that the locks are for."""
    for python in PYTHONS:
        for machine in MACHINES:
            yield {
                "python_version": python,
                "python_full_version": f"{python}.9",
                "platform_machine": machine,
                "platform_python_implementation": "CPython",
                "implementation_name": "cpython",
                "platform_system": "Linux",
                "sys_platform": "linux",
                "os_name": "posix",
            }


def versions_of(lock: str, environment: dict[str, str]) -> dict[str, list[str]]:
    """Return the versions that a lock installs on a machine, by the name of the package."""
    versions: dict[str, list[str]] = {}
    for pin in PINS[lock]:
        if pin.requirement.marker is None or pin.requirement.marker.evaluate(environment):
            versions.setdefault(canonicalize_name(pin.requirement.name), []).append(pin.version)
    return versions


def required(lock: str, environment: dict[str, str]) -> list[Requirement]:
    """Return the ranges of `setup.cfg` and `pyproject.toml` that a lock must satisfy on a machine."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = config["options"]["install_requires"].splitlines() + SCRIPT["build_requirements"]()
    for extra in EXTRAS_OF_LOCK[lock]:
        lines += config["options.extras_require"][extra].splitlines()
    requirements = [Requirement(line) for line in lines if line]
    return [item for item in requirements if item.marker is None or item.marker.evaluate(environment)]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_entry_is_one_version_with_hashes_and_no_address(lock: str) -> None:
    """An entry is `name==version`, an optional marker and hashes; no option or address says where it comes from."""
    assert [pin for pin in PINS[lock] if [item.operator for item in pin.requirement.specifier] != ["=="]] == []
    assert [pin for pin in PINS[lock] if pin.requirement.url or not pin.hashes] == []
    assert re.findall(r"://|^\s*-(?!-hash=).*|index|find-links", lock_text(lock), re.MULTILINE) == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_satisfies_the_ranges_on_every_python(lock: str) -> None:
    """Every requirement of the lock's extras and of the build has exactly one version, within its range."""
    for environment in environments():
        versions = versions_of(lock, environment)
        assert [name for name, pins in versions.items() if len(pins) > 1] == []
        for requirement in required(lock, environment):
            (version,) = versions.get(canonicalize_name(requirement.name), ["none"])
            assert requirement.specifier.contains(version), f"{requirement} on {environment}: run `make lock`"


def test_every_extra_is_in_a_lock() -> None:
    """No extra of `setup.cfg` is left out, and no lock names an extra that does not exist."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")

    assert {extra for extras in EXTRAS_OF_LOCK.values() for extra in extras} == set(config["options.extras_require"])


@pytest.mark.parametrize("lock", LOCKS)
def test_all_locks_agree(lock: str) -> None:
    """The developers test the versions that the users and the images get."""
    for environment in environments():
        versions, tested = versions_of(lock, environment), versions_of("dev", environment)
        assert {name: version for name, version in versions.items() if tested.get(name) != version} == {}


def test_a_lock_holds_what_its_packages_need() -> None:
    """A package of the lock that is installed here needs only packages of the lock, in the locked version."""
    locked = versions_of("dev", {})
    missing = []
    for name, (version,) in locked.items():
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        if distribution.version != version:
            continue
        for requirement in map(Requirement, distribution.requires or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                (needed,) = locked.get(canonicalize_name(requirement.name), ["none"])
                missing += [] if requirement.specifier.contains(needed) else [f"{name}: {requirement}"]
    assert missing == []


@pytest.mark.parametrize(("dockerfile", "lock"), [("monitor_agent", "agent"), ("model_server", "server")])
def test_an_image_installs_its_lock_and_nothing_else(dockerfile: str, lock: str) -> None:
    """Each `pip install` of an image either checks hashes or has no access to an index."""
    text = (ROOT / dockerfile / "Dockerfile").read_text(encoding="utf-8")
    locked, project = re.findall(r"pip install (.+?)(?: \\)?$", text, re.MULTILINE)

    assert locked == f"--no-cache-dir --require-hashes --requirement requirements/{lock}.txt"
    assert project == "--no-cache-dir --no-index --no-deps --no-build-isolation ."
    assert f"COPY requirements/{lock}.txt ./requirements/{lock}.txt" in text
