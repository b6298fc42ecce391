"""Write `requirements/*.txt`: every package that an installation needs, in one version, with its hashes."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
FOLDER = Path("requirements")
OLDEST_PYTHON = "3.10"
# The extras of each lock. The first one holds the packages of all others, which take their versions from it.
LOCKS = {
    "dev": ("server", "litert", "train", "keras", "parquet", "analysis", "import", "notify", "embedded", "dev"),
    "user": ("server", "litert", "train", "embedded", "import", "notify"),
    "server": ("server", "litert", "keras"),
    "agent": ("embedded", "notify"),
}

# Upper bounds that `setup.cfg` does not say, each with its reason.
CONSTRAINTS = Path("scripts/lock_constraints.txt")


def main() -> int:
    """Return 0 when all locks are written, else the exit status of uv."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep the locked versions that still fit setup.cfg")
    arguments = parser.parse_args()
    largest, *smaller = LOCKS
    try:
        write_lock(largest, [] if arguments.keep else ["--upgrade"])
        for name in smaller:
            write_lock(name, ["--upgrade", "--constraint", str(lock_path(largest))])
    except subprocess.CalledProcessError as error:
        print(f"error: uv could not resolve the packages: see its message above (exit status {error.returncode})")
        return int(error.returncode)
    return 0


def write_lock(name: str, options: list[str]) -> None:
    """Resolve the packages of one lock for every supported Python and write them without any index address.

    Raises
    ------
    CalledProcessError
        If uv cannot resolve the packages.
    """
    path = lock_path(name)
    command = [str(Path(sys.executable).with_name("uv")), "pip", "compile", "setup.cfg", "-"]
    command += [f"--extra={extra}" for extra in LOCKS[name]]
    command += ["--universal", "--python-version", OLDEST_PYTHON, "--generate-hashes", "--no-emit-index-url"]
    command += ["--custom-compile-command", "make lock", "--quiet", "--output-file", str(path), *options]
    command += ["--constraint", str(CONSTRAINTS)]
    subprocess.run(command, cwd=ROOT, input="\n".join(build_requirements()), text=True, check=True)
    print(f"{path}: {package_count(ROOT / path)} packages")


def build_requirements() -> list[str]:
    """Return what builds the project, as `pyproject.toml` requires it."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return list(document["build-system"]["requires"])


def lock_path(name: str) -> Path:
    """Return the path of a lock, relative to the project's folder."""
    return FOLDER / f"{name}.txt"


def package_count(path: Path) -> int:
    """Return the number of distinct packages in a lock."""
    return len(set(re.findall(r"^([\w.-]+)==", path.read_text(encoding="utf-8"), re.MULTILINE)))


if __name__ == "__main__":
    sys.exit(main())
