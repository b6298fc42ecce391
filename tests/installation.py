"""The product as users install it: source archive and wheel, built from the files of the images, and installed."""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SAFE: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
"""How archives are unpacked; Python 3.11.2, which Debian 12 has, knows no filters yet."""
PRODUCT_VARIABLES = (
    *("ELASTIC", "KIBANA_", "MONITOR_", "MODEL_", "PIPELINE_", "STACK_", "DASHBOARDS_", "PYTHONPATH", "REQUIRE_AUTH"),
)
"""First parts of the names of variables that would change what the installation does."""


@dataclass(frozen=True)
class Installation:
    """An installed wheel, and what it was built from.

    Attributes
    ----------
    folder : a virtual environment that has the packages of the tests' environment, but nothing of the checkout.
    wheel : the wheel that was built from the source archive and installed.
    wheel_of_folder : the wheel that the images build, from the project's folder.
    archive : the source archive.
    """

    folder: Path
    wheel: Path
    wheel_of_folder: Path
    archive: Path

    @property
    def python(self) -> str:
        """Return the interpreter that has the installation."""
        return str(self.folder / "bin" / "python")

    def run(
        self,
        *words: str,
        cwd: Path,
        environ: Mapping[str, str] | None = None,
        status: int | None = 0,
        seconds: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of the installation, such as `monitor-agent check`; fail if its exit status is another one.

        Parameters
        ----------
        status : the expected exit status; None = any.
        """
        done = subprocess.run(
            self.command(*words),
            cwd=cwd,
            env=self.environ(environ),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert status is None or done.returncode == status, f"{words}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
        assert "Traceback" not in done.stderr, f"{words}: {done.stderr}"
        return done

    def command(self, *words: str) -> list[str]:
        """Return a command that starts the installation's console script."""
        return [str(self.folder / "bin" / words[0]), *words[1:]]

    def environ(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment of the tests, of its settings only those of a node, and `more`."""
        inherited = {name: text for name, text in os.environ.items() if not name.startswith(PRODUCT_VARIABLES)}
        archive = {
            name: os.environ[name]
            for name in ("ELASTIC_VERSION", "STACK_CACHE_DIR", "STACK_SHORT_LIVED")
            if name in os.environ
        }
        return {**inherited, **archive, **(more or {})}


def install_wheel(work: Path) -> None:
    """Build the source archive, from it the wheel, and install that into a new virtual environment in `work`."""
    source = work / "source"
    copy_context(source)
    build(source, "import setuptools.build_meta as b; b.build_sdist('../archive')")
    (archive,) = (work / "archive").glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(work / "unpacked", **SAFE)
    (unpacked,) = (work / "unpacked").iterdir()
    for folder, wheels in ((unpacked, work / "wheel"), (source, work / "wheel-of-folder")):
        build(folder, f"import setuptools.build_meta as b; b.build_wheel({str(wheels)!r})")
    install(next((work / "wheel").glob("*.whl")), work / "venv")


def installation_in(work: Path) -> Installation:
    """Return the installation that `install_wheel` has made in a folder."""
    (archive,) = (work / "archive").glob("*.tar.gz")
    (wheel,), (wheel_of_folder,) = ((work / name).glob("*.whl") for name in ("wheel", "wheel-of-folder"))
    return Installation(work / "venv", wheel, wheel_of_folder, archive)


def build(folder: Path, code: str) -> None:
    """Run the project's build backend in a folder; it needs no network."""
    for name in re.findall(r"'([^']+)'", code):
        (folder / name).mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


def install(wheel: Path, folder: Path) -> Path:
    """Install a wheel alone into a new virtual environment, which also sees the packages of the tests' environment."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=60)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    # An editable installation of the checkout is a .pth file there: in a folder of a .pth file, such files do nothing.
    packages = dict.fromkeys(sysconfig.get_paths()[name] for name in ("purelib", "platlib"))
    (folder / "lib" / version / "site-packages" / "packages.pth").write_text("\n".join(packages) + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--quiet"]
    options = ["--no-index", "--no-deps", "--ignore-installed", "--disable-pip-version-check", "--no-compile"]
    subprocess.run([*pip, *options, str(wheel)], check=True, timeout=120)
    return folder


def copy_context(target: Path) -> None:
    """Copy what `docker build` sends of the project's folder, and what the agent's image copies of that; links stay."""
    target.mkdir()
    dockerfile = (ROOT / "monitor_agent" / "Dockerfile").read_text(encoding="utf-8")
    for line in re.findall(r"^COPY (.+)$", dockerfile, re.MULTILINE):
        *sources, place = line.split()
        for source in sources:
            for path in [ROOT / source, *(ROOT / source).rglob("*")] if (ROOT / source).is_dir() else [ROOT / source]:
                name = path.relative_to(ROOT).as_posix()
                if not is_sent(name) or (path.is_dir() and not path.is_symlink()):
                    continue
                copy = target / (name if len(sources) == 1 else Path(place) / name)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, copy, follow_symlinks=False)


def is_sent(name: str) -> bool:
    """Return whether `.dockerignore` lets a file into the build: its last pattern that fits decides."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").split():
        pattern = line.removeprefix("!").removeprefix("**/")
        names = [name, *(parent.as_posix() for parent in Path(name).parents)]
        if "**/" in line:
            names += list(Path(name).parts)
        if any(fnmatch.fnmatchcase(segment, pattern) for segment in names):
            sent = line.startswith("!")
    return sent


def contents_of_wheel(path: Path) -> dict[str, bytes]:
    """Return name -> content of the files of a wheel, without its metadata."""
    with zipfile.ZipFile(path) as wheel:
        return {name: wheel.read(name) for name in wheel.namelist() if ".dist-info/" not in name}


def contents_of_archive(path: Path) -> dict[str, bytes]:
    """Return name below its one folder -> content of the files of a source archive; a link has the content `link`."""
    contents = {}
    with tarfile.open(path) as archive:
        for member in archive.getmembers():
            stream = archive.extractfile(member) if member.isfile() else None
            if stream is not None:
                contents[member.name.partition("/")[2]] = stream.read()
            elif not member.isdir():
                contents[member.name.partition("/")[2]] = b"link"
    return contents


def files_below(folder: str, *, without: Sequence[str] = ()) -> dict[str, bytes]:
    """Return path below the repository -> content of the files of a folder, without caches and these names."""
    files = (path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in files if path.name not in without}
