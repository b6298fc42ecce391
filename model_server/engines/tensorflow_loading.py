"""Loads TensorFlow: a missing or broken one is one line, and its notes are silent.

The notes are about the machine, and no user can act on them.
"""

from __future__ import annotations

import os
import platform
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from monitor_agent.errors import ModelError
from monitor_agent.extras import MODEL_SERVER, OptionalComponent, loading

CPU = Path("/proc/cpuinfo")


@contextmanager
def loading_tensorflow(component: OptionalComponent) -> Iterator[None]:
    """Import TensorFlow in the block.

    Parameters
    ----------
    component : what needs it.

    Raises
    ------
    MissingPackageError
        If it is not installed, or is installed and cannot be loaded.
    ModelError
        If the processor cannot run it.
    """
    if platform.machine() == "x86_64" and not runs_avx(CPU):
        raise ModelError(
            "the processor of this machine lacks AVX, which TensorFlow's packages need: they would end the process",
            "use another machine, or let the virtual machine show the features of its host's processor",
        )
    silence_startup_notes()
    with loading(component), muted_stream(sys.stderr):
        yield


def runs_avx(facts: Path) -> bool:
    """Return whether the processor runs AVX, by a file such as `/proc/cpuinfo`; true if nobody knows."""
    try:
        lines = facts.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return True
    flags = next((line.split() for line in lines if line.startswith("flags")), ["avx"])
    return "avx" in flags


def silence_startup_notes() -> None:
    """Turn TensorFlow's start-up notes off; its C++ code reads these variables once, at the import."""
    os.putenv("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.filterwarnings("ignore", category=UserWarning, message="pkg_resources is deprecated")


@contextmanager
def muted_stream(stream: TextIO) -> Iterator[None]:
    """Discard what C++ code writes to a stream's descriptor before it has read its log level."""
    try:
        original = os.dup(stream.fileno())
    except (OSError, ValueError):  # not a real file, such as in a test runner: there is nothing to mute
        yield
        return
    try:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())
        yield
    finally:
        os.dup2(original, stream.fileno())
        os.close(original)


def import_tensorflow() -> Any:
    """Return the library.

    Raises
    ------
    MonitorError
        If it is missing, or cannot be loaded.
    """
    with loading_tensorflow(MODEL_SERVER):
        import tensorflow
        import tensorflow_text  # registers the tokeniser's operations  # noqa: F401
    return tensorflow


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message; its type if it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
