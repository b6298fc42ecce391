"""Make the virtual environment and install the project into it; needs nothing but the standard library."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

OLDEST, NEWEST = (3, 10), (3, 13)  # TensorFlow has packages for these
CAUSES = (
    ("No space left on device", "no space left on the disk", "free about 3 GB and run the command again"),
    ("ensurepip", "Python cannot make a virtual environment", "install its venv package, such as python3-venv"),
    ("No matching distribution", "a package cannot be found", "check the network and the package index of pip"),
    ("Failed to establish a new connection", "no package index can be reached", "check the network and pip's settings"),
    ("Temporary failure in name resolution", "no package index can be reached", "check the network and pip's settings"),
    ("ProxyError", "the proxy refuses the package index", "check pip's settings"),
)


class InstallError(Exception):
    """Raised when a step fails; the text is the one line that the user sees."""


def main() -> int:
    """Return 0 when the environment is ready, 1 after one line that says what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venv", type=Path, required=True)
    parser.add_argument("--stamp", type=Path, required=True)
    parser.add_argument("--extras", required=True)
    args = parser.parse_args()
    try:
        install(args.venv, args.extras)
        args.stamp.touch()
    except InstallError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {args.venv}: {error.strerror}: check the disk and its permissions", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on", file=sys.stderr)
        return 130
    return 0


def install(venv: Path, extras: str) -> None:
    """Install the project with `extras` into `venv`, which is made where it is missing."""
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        found, oldest, newest = (".".join(map(str, version)) for version in (sys.version_info[:2], OLDEST, NEWEST))
        raise InstallError(
            f"Python {found} does not fit: use {oldest} to {newest}, such as `make demo PYTHON=python{newest}`"
        )
    log = Path("var/install.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    with log.open("w", encoding="utf-8") as output:
        python = venv / "bin" / "python"
        if not (venv / "bin" / "pip").exists():
            print(f"making the virtual environment {venv}", flush=True)
            step([sys.executable, "-m", "venv", "--clear", str(venv)], output)
        print(f"installing the project with {extras} (details in {log})", flush=True)
        step([str(python), "-m", "pip", "install", "--disable-pip-version-check", "-e", f".[{extras}]"], output)
    print(f"installed in {time.monotonic() - start:.0f} s", flush=True)


def step(command: list[str], output: object) -> None:
    """Run `command`, copy what it says to `output`, show what it is at; InstallError when it fails."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    said = []
    try:
        for line in process.stdout or ():
            output.write(line)  # type: ignore[attr-defined]
            said.append(line)
            show(line)
    except BaseException:
        process.kill()
        raise
    finally:
        process.wait()
        show("")
    if process.returncode:
        raise InstallError(explain("".join(said)))


def show(line: str) -> None:
    """Show the package that pip is at: one moving line on a terminal, the large downloads elsewhere."""
    words = line.split()
    doing = bool(words) and words[0] in {"Collecting", "Downloading", "Installing", "Building", "Preparing"}
    if sys.stdout.isatty():
        text = " ".join(words[:2])[:76] if doing else ""
        if doing or not line:
            print(f"\r\033[K  {text}" if text else "\r\033[K", end="", flush=True)
    elif doing and (words[0] == "Installing" or "MB)" in line):
        print("  " + " ".join(words)[:110], flush=True)


def explain(said: str) -> str:
    """Return one line for a failed step: what is wrong and what to do."""
    for sign, what, todo in CAUSES:
        if sign in said:
            return f"{what}: {todo} (details in var/install.log)"
    return "the installation failed: see var/install.log"


if __name__ == "__main__":
    sys.exit(main())
