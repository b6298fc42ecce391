"""The source tree of another commit, in a folder of its own."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.rig.runner_process import ROOT


@contextlib.contextmanager
def source_tree(commit: str) -> Iterator[Path]:
    """Yield a folder with the files of a commit; it is deleted afterwards.

    Raises
    ------
    RuntimeError
        If git does not know the commit.
    """
    with tempfile.TemporaryDirectory(prefix="model-monitor-bench-") as folder:
        archive = Path(folder, "source.tar")
        done = subprocess.run(
            ["git", "archive", "--output", archive, commit], cwd=ROOT, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"git cannot export {commit}: {done.stderr.strip()}")
        tree = Path(folder, "source")
        tree.mkdir()
        subprocess.run(["tar", "-xf", archive, "-C", tree], check=True)
        yield tree
