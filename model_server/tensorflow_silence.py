"""Silences TensorFlow's notes at its start: they are about the machine, and no user can act on them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


def silence_startup_notes() -> None:
    """Turn TensorFlow's start-up notes off; its C++ code reads these variables once, at the import."""
    os.putenv("TF_CPP_MIN_LOG_LEVEL", "3")
    os.putenv("TF_ENABLE_ONEDNN_OPTS", "0")
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
