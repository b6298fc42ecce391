"""Create the virtual environment and install the project into it.

The packages come from a lock in `requirements/`: one version each, checked by hash. Needs only the standard library.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TextIO

OLDEST, NEWEST = (3, 10), (3, 13)  # TensorFlow has packages for these
CAUSES = (  # text in the output of a failed step, problem, advice
    ("No space left on device", "no space is left on the disk", "free about 3 GB and run the command again"),
    ("ensurepip", "Python cannot create a virtual environment", "install its venv package, such as python3-venv"),
    ("DO NOT MATCH THE HASHES", "a package differs from the locked one", "check the package index of pip"),
    ("No matching distribution", "a package is missing", "check the network and the package index of pip"),
    ("Failed to establish a new connection", "no package index is reachable", "check the network and pip's settings"),
    ("Temporary failure in name resolution", "no package index is reachable", "check the network and pip's settings"),
    ("ProxyError", "the proxy refuses the package index", "check pip's settings"),
)


class InstallError(Exception):
    """A step failed; the text is the one line that the user reads."""


def main() -> int:
    """Return 0 when the environment is ready, 1 after one line that names the problem."""
    parser = argparse.ArgumentParser(description="Create the virtual environment and install the project into it.")
    parser.add_argument("--venv", type=Path, required=True, help="folder of the virtual environment")
    parser.add_argument("--lock", type=Path, required=True, help="packages to install, such as requirements/user.txt")
    parser.add_argument("--stamp", type=Path, required=True, help="file to create when the environment is ready")
    arguments = parser.parse_args()
    try:
        install(arguments.venv, arguments.lock)
        arguments.stamp.touch()
    except InstallError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {arguments.venv}: {error.strerror}: check the disk and its permissions", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; run the same command again to continue", file=sys.stderr)
        return 130
    return 0


def install(venv: Path, lock: Path) -> None:
    """Install the locked packages and then the project itself; create the virtual environment if it is missing.

    Raises
    ------
    InstallError
        If this Python does not fit or a step fails.
    """
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        current, oldest, newest = (".".join(map(str, version)) for version in (sys.version_info[:2], OLDEST, NEWEST))
        raise InstallError(
            f"Python {current} does not fit: use {oldest} to {newest}, such as `make demo PYTHON=python{newest}`"
        )
    log = Path("var/install.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check"]
    with open(log, "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as output:
        if not (venv / "bin" / "pip").exists():
            print(f"making the virtual environment {venv}", flush=True)
            run_step([sys.executable, "-m", "venv", "--clear", str(venv)], output)
        print(f"installing the packages of {lock} (details in {log})", flush=True)
        run_step([*pip, "--require-hashes", "--requirement", str(lock)], output)
        run_step([*pip, "--no-index", "--no-deps", "--no-build-isolation", "--editable", "."], output)
    print(f"installed in {time.monotonic() - start:.0f} s", flush=True)


def run_step(command: list[str], log: TextIO) -> None:
    """Run `command`, copy its output to `log` and print its progress.

    Raises
    ------
    InstallError
        If the command fails.
    """
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    lines = []
    try:
        for line in process.stdout or ():
            log.write(line)
            lines.append(line)
            print_progress(line)
    except BaseException:
        process.kill()
        raise
    finally:
        process.wait()
        print_progress("")
    if process.returncode:
        raise InstallError(explain("".join(lines)))


def print_progress(line: str) -> None:
    """Print what pip does: on a terminal as one line that changes, elsewhere only the large downloads."""
    words = line.split()
    at_work = bool(words) and words[0] in {"Collecting", "Downloading", "Installing", "Building", "Preparing"}
    if sys.stdout.isatty():
        text = " ".join(words[:2])[:76] if at_work else ""
        if at_work or not line:
            print(f"\r\033[K  {text}" if text else "\r\033[K", end="", flush=True)
    elif at_work and (words[0] == "Installing" or "MB)" in line):
        print("  " + " ".join(words)[:110], flush=True)


def explain(output: str) -> str:
    """Return one line for the output of a failed step: the problem and the advice."""
    for sign, problem, advice in CAUSES:
        if sign in output:
            return f"{problem}: {advice} (details in var/install.log)"
    return "the installation failed: see var/install.log"


if __name__ == "__main__":
    sys.exit(main())
