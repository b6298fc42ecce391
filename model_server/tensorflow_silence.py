"""Silence for TensorFlow's start: notes about the machine that no user can act on."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


def silence_startup_notes() -> None:
    """Hold back TensorFlow's start-up notes; only its C++ part reads these, and only before its import."""
    os.putenv("TF_CPP_MIN_LOG_LEVEL", "3")
    os.putenv("TF_ENABLE_ONEDNN_OPTS", "0")
    warnings.filterwarnings("ignore", category=UserWarning, message="pkg_resources is deprecated")


@contextmanager
def muted_stream(stream: TextIO) -> Iterator[None]:
    """Throw away what C++ code writes to a stream's descriptor before its own log level is known."""
    try:
        kept = os.dup(stream.fileno())
    except (OSError, ValueError):  # not a real file, as under a test runner: nothing to mute
        yield
        return
    try:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())
        yield
    finally:
        os.dup2(kept, stream.fileno())
        os.close(kept)
