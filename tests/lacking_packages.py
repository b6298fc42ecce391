"""An environment for processes that lack packages, or have broken ones, as after an installation without extras."""

from __future__ import annotations

import os
from pathlib import Path

SITE = """
import importlib.abc
import os
import sys


class Lacking(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in os.environ["LACKING"].split(","):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


sys.meta_path.insert(0, Lacking())
"""


def environ_without(folder: Path, *modules: str) -> dict[str, str]:
    """Return the environment of a process that cannot import some modules.

    Parameters
    ----------
    folder : an existing folder for the file that makes it so.
    """
    (folder / "sitecustomize.py").write_text(SITE, encoding="utf-8")
    return {"PYTHONPATH": _before(folder), "LACKING": ",".join(modules)}


def environ_with_broken(folder: Path, module: str, statement: str) -> dict[str, str]:
    """Return the environment of a process in which the import of a module runs a statement that fails."""
    (folder / f"{module}.py").write_text(statement, encoding="utf-8")
    return {"PYTHONPATH": _before(folder)}


def _before(folder: Path) -> str:
    root = Path(__file__).parents[1]
    return os.pathsep.join([str(folder), str(root), os.environ.get("PYTHONPATH", "")])
