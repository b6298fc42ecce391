"""A small archive with the layout of Elasticsearch's, for tests that unpack it."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from monitor_agent.stack.embedded import archive

VERSION = "9.5.0"
PROGRAM = f"elasticsearch-{VERSION}/bin/elasticsearch"


def write_server_zip(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a small archive with the layout of the real one, pin its checksum, and return its path."""
    with zipfile.ZipFile(path, "w") as stored:
        entry = zipfile.ZipInfo(PROGRAM)
        entry.external_attr = 0o100755 << 16
        stored.writestr(entry, "#!/bin/sh\n")
        stored.writestr(f"elasticsearch-{VERSION}/config/jvm.options", "-Xss1m\n")
    monkeypatch.setitem(archive.SHA512, VERSION, hashlib.sha512(path.read_bytes()).hexdigest())
    return path


def ignore(_line: str) -> None:
    """Report nothing."""
